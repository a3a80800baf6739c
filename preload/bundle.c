/* SPDX-License-Identifier: MIT */
/* Small blocks, written together; see bundle.h. Entered by the writer thread alone. */
#include "bundle.h"

#include <string.h>

#include "llmtrace/wire.h"
#include "sys.h"
#include "trace_file.h"

#define MEMBERS_MAX 64u
#define DIRECTORY_MAX (MEMBERS_MAX * 7 * LT_VARINT_MAX_BYTES + LT_VARINT_MAX_BYTES)

static struct bundle_member members[MEMBERS_MAX];
static uint32_t member_count;
static uint8_t *parts; /* one behind the other */
static size_t parts_used;
static uint8_t *payload; /* directory and parts */
static bundle_settle_fn *settle;

bool bundle_init(bundle_settle_fn *settle_member)
{
	settle = settle_member;
	parts = sys_memory(LT_BUNDLE_MAX_BYTES);
	payload = sys_memory(LT_BUNDLE_MAX_BYTES);
	return parts && payload;
}

bool bundle_has(const struct lt_ring *ring)
{
	for (uint32_t i = 0; i < member_count; i++)
		if (members[i].ring == ring)
			return true;
	return false;
}

bool bundle_has_room(size_t count)
{
	return member_count < MEMBERS_MAX &&
	       parts_used + count + DIRECTORY_MAX <= LT_BUNDLE_MAX_BYTES;
}

static void put_member(struct lt_wire_out *out, const struct lt_block_header *part,
		       const struct lt_block_header *whole)
{
	lt_put_varint(out, part->stream);
	lt_put_varint(out, part->first_position);
	lt_put_varint(out, part->end_position - part->first_position);
	lt_put_varint(out, (part->begin_ns - whole->begin_ns) >> whole->time_shift);
	lt_put_varint(out, (part->end_ns - part->begin_ns) >> whole->time_shift);
	lt_put_varint(out, part->event_count);
	lt_put_varint(out, part->raw_bytes);
}

static void write_many(void)
{
	struct lt_wire_out out = {payload, payload + LT_BUNDLE_MAX_BYTES, false};
	struct lt_block_header whole = {.type = LT_BLOCK_BUNDLE,
					.begin_ns = UINT64_MAX,
					.time_shift = members[0].header.time_shift};

	for (uint32_t i = 0; i < member_count; i++) {
		const struct lt_block_header *part = &members[i].header;

		whole.event_count += part->event_count;
		if (part->begin_ns < whole.begin_ns)
			whole.begin_ns = part->begin_ns;
		if (part->end_ns > whole.end_ns)
			whole.end_ns = part->end_ns;
	}
	lt_put_varint(&out, member_count);
	for (uint32_t i = 0; i < member_count; i++)
		put_member(&out, &members[i].header, &whole);
	lt_put_bytes(&out, parts, parts_used);
	trace_file_write_block(&whole, payload, (size_t)(out.at - payload));
}

void bundle_write(void)
{
	struct bundle_member written[MEMBERS_MAX];
	uint32_t count = member_count;

	if (!count)
		return;
	memcpy(written, members, count * sizeof(*written)); /* settling may add members */
	trace_file_write_definitions(0);
	if (count == 1)
		trace_file_write_block(&members[0].header, parts, parts_used);
	else
		write_many();
	member_count = 0;
	parts_used = 0;
	for (uint32_t i = 0; i < count; i++)
		settle(&written[i]);
}

void bundle_add(const struct bundle_member *member, const void *bytes, size_t count)
{
	struct lt_block_header *header;

	members[member_count] = *member;
	header = &members[member_count++].header;
	header->type = LT_BLOCK_EVENTS;
	header->raw_bytes = (uint32_t)count;
	memcpy(parts + parts_used, bytes, count);
	parts_used += count;
}
