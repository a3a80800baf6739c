/* SPDX-License-Identifier: MIT */
/*
 * shim_rings THREADS ROUNDS: the shim without its hooks, in a program that the thread sanitizer
 * watches: threads fill their rings and enter stacks and strings while the writer drains them, end
 * while others begin, and the trace is closed beside them. Prints what it has recorded.
 *
 * Linked with all objects of preload/ but hook_*.c and thunk.S, whose names the sanitizer has itself.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook_call.h"
#include "hook_threads.h"
#include "writer.h"

enum { GENERATIONS = 4, SITES = 64 };

static unsigned rounds;

/* Parts of the hooks: nobody is told of the end of a thread, and nothing is forked. */
void threads_init(void)
{
}

__thread bool process_has_vforked;

/* Distinct stacks and strings, the same for all threads: they meet in the table. */
static uint32_t site_stack(unsigned site)
{
	uint64_t frames[3] = {0x1000 + site, 0x2000, 0x3000};

	return intern_bytes(LT_INTERN_STACK, frames, sizeof(frames), 0,
			    intern_hash(frames, sizeof(frames), 0));
}

static void record_pair(unsigned round)
{
	struct hook_scope scope;
	char path[32];

	if (!hook_enter(&scope, LT_GROUP_heap, HOOK_CALLER()))
		return;
	HOOK_EMIT(&scope, alloc, LT_alloc_call_malloc, clock_after(), site_stack(round % SITES),
		  event->addr = round;
		  event->size_bytes = 64);
	HOOK_EMIT(&scope, free, LT_alloc_call_free, clock_now(), 0, event->addr = round);
	if (round % 64 == 0) {
		snprintf(path, sizeof(path), "/tmp/%u", round % 4096);
		HOOK_EMIT(&scope, mark, 0, clock_now(), 0, event->value = 0;
			  event->name = hook_string(path);
			  event->reserved = 0);
	}
	hook_leave(&scope);
}

/* argument: not NULL for a slow thread. */
static void *fill(void *argument)
{
	for (unsigned round = 0; round < rounds; round++) {
		record_pair(round + 1);
		/* slow threads wake the writer seldom: nothing but the records orders them then */
		if (argument && round % 64 == 0)
			usleep(100);
	}
	return argument;
}

/* A flush, as before a fork or at a mark, beside the threads. */
static void run_generation(unsigned thread_count)
{
	pthread_t threads[64];

	for (unsigned i = 0; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, fill, i % 2 ? &rounds : NULL))
			abort();
	writer_flush();
	writer_want_sample();
	for (unsigned i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	unsigned thread_count = argc == 3 ? (unsigned)atoi(argv[1]) : 0;

	if (thread_count == 0 || thread_count > 64)
		return 2;
	rounds = (unsigned)atoi(argv[2]);
	for (unsigned i = 0; i < GENERATIONS; i++)
		run_generation(thread_count);
	printf("%u\n", GENERATIONS * thread_count * rounds);
	return 0;
}
