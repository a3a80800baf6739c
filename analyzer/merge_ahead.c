/* SPDX-License-Identifier: MIT */
/*
 * Workers and taker share one lock; it is held for a few assignments a block. A window bounds how
 * far the workers run ahead, and buffers that were given back are used again, so memory stays the
 * same however long the trace is.
 */
#include "merge_ahead.h"

#include <pthread.h>
#include <stdlib.h>

#define WINDOW_PER_WORKER 3u
#define MAX_WORKERS 64u

struct ahead_slot {
	struct decoded *decoded;
	const char *fault;
	bool is_ready;
};

/* A buffer in the list of free ones. decoded comes first: the list hands out pointers to it. */
struct ahead_buffer {
	struct decoded decoded;
	struct ahead_buffer *next;
};

struct ahead {
	struct ahead_work work;
	pthread_mutex_t lock;
	pthread_cond_t may_begin, is_ready;
	pthread_t workers[MAX_WORKERS];
	unsigned worker_count;
	struct block_buffer taker_buffer;

	/* under the lock */
	struct ahead_slot *slots;	/* block i is in slot i % window */
	size_t window;
	size_t next_begun, next_taken;
	struct ahead_buffer *free_buffers;
	bool is_ending;
};

static struct decoded *pop_buffer(struct ahead *ahead)
{
	struct ahead_buffer *buffer = ahead->free_buffers;

	if (buffer)
		ahead->free_buffers = buffer->next;
	else
		buffer = calloc(1, sizeof(*buffer));
	return buffer ? &buffer->decoded : NULL;
}

/* A live block begins with the fields of an allocation, and is delivered as one. */
static void take_live_blocks(struct decoded *decoded, uint64_t time_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < decoded->count; i++) {
		struct lt_record *record = (struct lt_record *)(uintptr_t)decoded->records[i];

		if (LT_STATE_KIND(record->state) != LT_KIND_live_block)
			continue;
		record->time = time_ns;
		record->state = LT_STATE(LT_KIND_alloc, LT_SLOTS(alloc), LT_alloc_call_before, 0);
		decoded->records[kept++] = record;
	}
	decoded->count = kept;
}

static const char *decode_block(const struct ahead_work *work, const struct block *block,
				struct block_buffer *buffer, struct decoded *decoded)
{
	const char *fault;

	if (!decoded)
		return "not enough memory for the block";
	decoded->count = 0;
	fault = block_read(work->index, block, buffer);
	if (fault)
		return fault;
	fault = decode_events(work->schema, buffer->raw, block->raw_bytes, block->begin_ns,
			      block->time_shift, work->stack_limit, decoded);
	if (!fault && block->type == LT_BLOCK_LIVE)
		take_live_blocks(decoded, block->begin_ns);
	return fault;
}

static bool may_begin(const struct ahead *ahead)
{
	return ahead->next_begun < ahead->work.block_count &&
	       ahead->next_begun < ahead->next_taken + ahead->window;
}

static void *worker_run(void *argument)
{
	struct ahead *ahead = argument;
	struct block_buffer buffer = { 0 };

	pthread_mutex_lock(&ahead->lock);
	for (;;) {
		struct ahead_slot *slot;
		struct decoded *decoded;
		const char *fault;
		size_t index;

		while (!ahead->is_ending && !may_begin(ahead))
			pthread_cond_wait(&ahead->may_begin, &ahead->lock);
		if (ahead->is_ending)
			break;
		index = ahead->next_begun++;
		decoded = pop_buffer(ahead);
		pthread_mutex_unlock(&ahead->lock);

		fault = decode_block(&ahead->work, ahead->work.blocks[index], &buffer, decoded);

		pthread_mutex_lock(&ahead->lock);
		slot = &ahead->slots[index % ahead->window];
		*slot = (struct ahead_slot){ decoded, fault, true };
		pthread_cond_signal(&ahead->is_ready);
	}
	pthread_mutex_unlock(&ahead->lock);
	block_buffer_release(&buffer);
	return NULL;
}

static void start_workers(struct ahead *ahead, unsigned worker_count)
{
	while (ahead->worker_count < worker_count &&
	       pthread_create(&ahead->workers[ahead->worker_count], NULL, worker_run, ahead) == 0)
		ahead->worker_count++;
}

struct ahead *ahead_new(const struct ahead_work *work, unsigned worker_count)
{
	struct ahead *ahead = calloc(1, sizeof(*ahead));

	if (!ahead)
		return NULL;
	if (worker_count > MAX_WORKERS)
		worker_count = MAX_WORKERS;
	ahead->work = *work;
	ahead->window = worker_count * WINDOW_PER_WORKER + 1;
	ahead->slots = calloc(ahead->window, sizeof(*ahead->slots));
	if (!ahead->slots) {
		free(ahead);
		return NULL;
	}
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->may_begin, NULL);
	pthread_cond_init(&ahead->is_ready, NULL);
	start_workers(ahead, worker_count);
	return ahead;
}

static void free_buffer(struct decoded *decoded)
{
	if (!decoded)
		return;
	decoded_release(decoded);
	free(decoded);
}

void ahead_free(struct ahead *ahead)
{
	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->is_ending = true;
	pthread_cond_broadcast(&ahead->may_begin);
	pthread_mutex_unlock(&ahead->lock);
	for (unsigned i = 0; i < ahead->worker_count; i++)
		pthread_join(ahead->workers[i], NULL);
	for (size_t i = 0; i < ahead->window; i++)
		free_buffer(ahead->slots[i].decoded);
	while (ahead->free_buffers) {
		struct ahead_buffer *next = ahead->free_buffers->next;

		free_buffer(&ahead->free_buffers->decoded);
		ahead->free_buffers = next;
	}
	pthread_cond_destroy(&ahead->is_ready);
	pthread_cond_destroy(&ahead->may_begin);
	pthread_mutex_destroy(&ahead->lock);
	block_buffer_release(&ahead->taker_buffer);
	free(ahead->slots);
	free(ahead);
}

struct decoded *ahead_take(struct ahead *ahead, const char **ret_fault)
{
	struct decoded *decoded;
	size_t index;

	pthread_mutex_lock(&ahead->lock);
	index = ahead->next_taken;
	if (ahead->next_begun == index) {
		ahead->next_begun++;
		ahead->next_taken++;
		decoded = pop_buffer(ahead);
		pthread_cond_signal(&ahead->may_begin);
		pthread_mutex_unlock(&ahead->lock);
		*ret_fault = decode_block(&ahead->work, ahead->work.blocks[index],
					  &ahead->taker_buffer, decoded);
		return decoded;
	}
	while (!ahead->slots[index % ahead->window].is_ready)
		pthread_cond_wait(&ahead->is_ready, &ahead->lock);
	decoded = ahead->slots[index % ahead->window].decoded;
	*ret_fault = ahead->slots[index % ahead->window].fault;
	ahead->slots[index % ahead->window] = (struct ahead_slot){ NULL, NULL, false };
	ahead->next_taken++;	/* only now may a worker use the slot again */
	pthread_cond_signal(&ahead->may_begin);
	pthread_mutex_unlock(&ahead->lock);
	return decoded;
}

void ahead_give_back(struct ahead *ahead, struct decoded *decoded)
{
	struct ahead_buffer *buffer = (struct ahead_buffer *)decoded;

	if (!buffer)
		return;
	pthread_mutex_lock(&ahead->lock);
	buffer->next = ahead->free_buffers;
	ahead->free_buffers = buffer;
	pthread_mutex_unlock(&ahead->lock);
}
