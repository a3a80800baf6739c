/* SPDX-License-Identifier: MIT */
/*
 * Messages of child processes that the writer had not picked up (struct lt_child_message): they
 * become events of the writer's stream. One thread.
 */
#include <string.h>

#include "pool_reader_parts.h"

#define WRITER_STREAM 1u

static bool is_there(const struct lt_pool_header *header, uint32_t position)
{
	const struct lt_child_message *message = &header->children[position % LT_CHILD_MESSAGES];

	return message->lap == position / LT_CHILD_MESSAGES + 1;
}

/* @return the id of the file for a text, 0 for none. */
static uint32_t add_text(struct pool *pool, struct defs *defs, const char *text)
{
	size_t length = strnlen(text, LT_CHILD_TEXT_BYTES);

	if (!length || !defs_add_string(defs, pool->next_string_id, text, length))
		return 0;
	return pool->next_string_id++;
}

static void add_event(struct pool *pool, struct defs *defs, const struct lt_child_message *message,
		      struct decoded *events)
{
	struct lt_ev_child *event =
		(struct lt_ev_child *)(events->arena + events->count * sizeof(*event));
	uint64_t end_ns = message->start_ns + message->duration_ns;

	*event = (struct lt_ev_child){
		.head.time = end_ns > pool->clock.anchor.ns ? end_ns : pool->clock.anchor.ns,
		.head.state = LT_STATE(LT_KIND_child, LT_SLOTS(child), message->state & 0xff, 0),
		.status = message->status,
		.start_ns = message->start_ns,
		.duration_ns = message->duration_ns,
		.pid = message->pid,
		.parent_pid = message->parent_pid,
		.program = add_text(pool, defs, message->program),
		.trace = add_text(pool, defs, message->trace),
	};
	events->records[events->count++] = &event->head;
}

void pool_children_convert(struct pool *pool, const struct schema *schema, struct defs *defs)
{
	const struct lt_pool_header *header = pool->header;
	struct pool_events events = {.stream = WRITER_STREAM};
	uint32_t count = header->child_head - header->child_tail;

	if (count > LT_CHILD_MESSAGES ||
	    schema->kinds[LT_KIND_child].stride_bytes != sizeof(struct lt_ev_child) || !count ||
	    !decoded_reserve(&events.events, count, count * sizeof(struct lt_ev_child)) ||
	    !grow((void **)&pool->events, pool->event_count, &pool->event_capacity,
		  sizeof(*pool->events))) {
		decoded_release(&events.events);
		return;
	}
	for (uint32_t at = header->child_tail; at != header->child_head; at++)
		if (is_there(header, at))
			add_event(pool, defs, &header->children[at % LT_CHILD_MESSAGES],
				  &events.events);
	if (events.events.count && decoded_sort(&events.events))
		pool->events[pool->event_count++] = events;
	else
		decoded_release(&events.events);
}
