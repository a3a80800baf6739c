/* SPDX-License-Identifier: MIT */
/*
 * heap_pairs DEPTH STACKS PAIRS THREADS: mallocs and frees at a call depth, over 16 slots, from one call
 * stack or from 4,096: the twelve innermost calls go one of two ways each. Built without frame pointers.
 * Prints the wall time of a pair and the CPU time of the working threads for one, in ns.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLOTS = 16, WAYS_DEPTH = 12 };

struct work {
	int depth;
	int has_many_stacks;
	long pairs;
	unsigned path;
	unsigned turn;
	void *slots[SLOTS];
	double cpu_ns;
};

static double now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static __attribute__((noinline)) void make_pair(struct work *work)
{
	void **slot = &work->slots[work->turn++ % SLOTS];

	free(*slot);
	*slot = malloc(16 + work->turn * 24 % 480);
}

static __attribute__((noinline)) void go_left(struct work *work, int depth);

/* One of two functions a level, so that the frames of a stack say which way was taken. */
static __attribute__((noinline)) void go_right(struct work *work, int depth);

static inline __attribute__((always_inline)) void descend(struct work *work, int depth)
{
	if (depth <= 0) {
		long count = work->has_many_stacks ? 1 : work->pairs;

		for (long i = 0; i < count; i++)
			make_pair(work);
		return;
	}
	if (depth <= WAYS_DEPTH && work->path >> (depth - 1) & 1)
		go_right(work, depth - 1);
	else
		go_left(work, depth - 1);
	__asm__ volatile("");		/* no jump instead of the call */
}

static void go_left(struct work *work, int depth)
{
	descend(work, depth);
}

static void go_right(struct work *work, int depth)
{
	descend(work, depth);
}

static void *run(void *argument)
{
	struct work *work = argument;
	double start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	unsigned state = 12345;

	if (work->has_many_stacks) {
		for (long i = 0; i < work->pairs; i++) {
			state = state * 1103515245u + 12345u;
			work->path = state >> 16 & 0xfff;
			descend(work, work->depth);
		}
	} else {
		descend(work, work->depth);
	}
	work->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	return NULL;
}

int main(int argc, char **argv)
{
	static struct work works[64];
	pthread_t threads[64];
	int count = argc == 5 ? atoi(argv[4]) : 0;
	double cpu_ns = 0;
	double start;

	if (count < 1 || count > 64)
		return 2;
	start = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < count; i++) {
		works[i].has_many_stacks = atoi(argv[2]) > 1;
		works[i].depth = atoi(argv[1]);
		works[i].pairs = atol(argv[3]) / count;
		pthread_create(&threads[i], NULL, run, &works[i]);
	}
	for (int i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		cpu_ns += works[i].cpu_ns;
	}
	printf("wall_ns=%.2f thread_cpu_ns=%.2f\n",
	       (now_ns(CLOCK_MONOTONIC) - start) / (double)(works[0].pairs * count),
	       cpu_ns / (double)(works[0].pairs * count));
	return 0;
}
