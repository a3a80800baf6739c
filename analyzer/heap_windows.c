/* SPDX-License-Identifier: MIT */
/*
 * Windows lie in a ring; window number n is in place n % WINDOW_COUNT. The lock is held for a few
 * assignments a window: a shard's thread takes every window in turn and counts itself off.
 */
#include "heap_windows.h"

#include <pthread.h>
#include <stdlib.h>

#include "report_alloc.h"

#define WINDOW_COUNT 4u

struct shard_worker {
	struct live_shard shard;
	struct heap_windows *windows;
	pthread_t thread;
};

struct heap_windows {
	struct heap_window ring[WINDOW_COUNT];
	struct shard_worker workers[SHARDS_MAX];
	unsigned shard_count;
	unsigned thread_count;		/* workers[0 .. thread_count) have threads */
	uint64_t retired_count;		/* the owner's alone */
	pthread_mutex_t lock;
	pthread_cond_t may_work, is_done;

	/* under the lock */
	uint64_t submitted_count;
	bool is_ending;
};

static struct heap_window *window_of(struct heap_windows *windows, uint64_t number)
{
	return &windows->ring[number % WINDOW_COUNT];
}

static void apply_window(struct live_shard *shard, struct heap_window *window)
{
	struct block_found_list *found = &window->found[shard->index];

	found->count = 0;
	for (size_t i = 0; i < window->run_count; i++)
		live_shard_apply(shard, &window->runs[i], found);
}

static void *worker_run(void *argument)
{
	struct shard_worker *worker = argument;
	struct heap_windows *windows = worker->windows;

	pthread_mutex_lock(&windows->lock);
	for (uint64_t number = 0;; number++) {
		struct heap_window *window = window_of(windows, number);

		while (windows->submitted_count == number && !windows->is_ending)
			pthread_cond_wait(&windows->may_work, &windows->lock);
		if (windows->is_ending)
			break;
		pthread_mutex_unlock(&windows->lock);
		apply_window(&worker->shard, window);
		pthread_mutex_lock(&windows->lock);
		if (--window->pending_count == 0)
			pthread_cond_signal(&windows->is_done);
	}
	pthread_mutex_unlock(&windows->lock);
	return NULL;
}

struct heap_windows *heap_windows_new(unsigned shard_count, unsigned thread_count,
				      uint32_t stream_limit)
{
	struct heap_windows *windows = report_alloc(1, sizeof(*windows));

	windows->shard_count = shard_count;
	pthread_mutex_init(&windows->lock, NULL);
	pthread_cond_init(&windows->may_work, NULL);
	pthread_cond_init(&windows->is_done, NULL);
	for (unsigned i = 0; i < shard_count; i++) {
		windows->workers[i].windows = windows;
		live_shard_init(&windows->workers[i].shard, i, shard_count, stream_limit);
	}
	while (windows->thread_count < thread_count && windows->thread_count < shard_count &&
	       pthread_create(&windows->workers[windows->thread_count].thread, NULL, worker_run,
			      &windows->workers[windows->thread_count]) == 0)
		windows->thread_count++;
	return windows;
}

void heap_windows_free(struct heap_windows *windows)
{
	if (!windows)
		return;
	pthread_mutex_lock(&windows->lock);
	windows->is_ending = true;
	pthread_cond_broadcast(&windows->may_work);
	pthread_mutex_unlock(&windows->lock);
	for (unsigned i = 0; i < windows->thread_count; i++)
		pthread_join(windows->workers[i].thread, NULL);
	for (unsigned i = 0; i < windows->shard_count; i++)
		live_shard_release(&windows->workers[i].shard);
	for (unsigned i = 0; i < WINDOW_COUNT; i++) {
		free(windows->ring[i].runs);
		for (unsigned j = 0; j < SHARDS_MAX; j++)
			free(windows->ring[i].found[j].items);
	}
	pthread_cond_destroy(&windows->may_work);
	pthread_cond_destroy(&windows->is_done);
	pthread_mutex_destroy(&windows->lock);
	free(windows);
}

/* submitted_count is written by the owner alone, who reads it without the lock. */
struct heap_window *heap_windows_open(struct heap_windows *windows)
{
	if (windows->submitted_count - windows->retired_count == WINDOW_COUNT)
		return NULL;
	return window_of(windows, windows->submitted_count);
}

void heap_window_add(struct heap_window *window, const struct heap_run *run)
{
	window->runs = report_grow(window->runs, &window->run_capacity, window->run_count + 1,
				   sizeof(*window->runs));
	window->runs[window->run_count++] = *run;
	window->event_count += run->count;
}

void heap_windows_submit(struct heap_windows *windows)
{
	pthread_mutex_lock(&windows->lock);
	window_of(windows, windows->submitted_count)->pending_count = windows->thread_count;
	windows->submitted_count++;
	pthread_cond_broadcast(&windows->may_work);
	pthread_mutex_unlock(&windows->lock);
}

struct heap_window *heap_windows_take(struct heap_windows *windows)
{
	struct heap_window *window = window_of(windows, windows->retired_count);

	if (windows->submitted_count == windows->retired_count)
		return NULL;
	for (unsigned i = windows->thread_count; i < windows->shard_count; i++)
		apply_window(&windows->workers[i].shard, window);
	pthread_mutex_lock(&windows->lock);
	while (window->pending_count)
		pthread_cond_wait(&windows->is_done, &windows->lock);
	pthread_mutex_unlock(&windows->lock);
	return window;
}

void heap_windows_retire(struct heap_windows *windows)
{
	struct heap_window *window = window_of(windows, windows->retired_count++);

	window->run_count = 0;
	window->event_count = 0;
}
