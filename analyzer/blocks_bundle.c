/* SPDX-License-Identifier: MIT */
/* The directory of blocks_bundle.h; the layout is in llmtrace/format.h. */
#include "blocks_bundle.h"

/* No moment is so far away; keeps sums of times from wrapping. */
#define TIME_MAX_NS ((uint64_t)1 << 62)

static bool read_member(struct lt_wire_in *in, const struct block *bundle, struct block *ret_member)
{
	uint64_t stream = lt_get_varint(in);
	uint64_t first_position = lt_get_varint(in), slots = lt_get_varint(in);
	uint64_t begin = lt_get_varint(in), length = lt_get_varint(in);
	uint64_t event_count = lt_get_varint(in), bytes = lt_get_varint(in);

	if (in->is_bad || stream >= TRACE_MAX_ID || event_count > BLOCK_MAX_EVENTS ||
	    event_count > bundle->event_count ||
	    bytes > bundle->payload_bytes || slots > UINT64_MAX - first_position ||
	    begin > TIME_MAX_NS >> bundle->time_shift || length > TIME_MAX_NS >> bundle->time_shift)
		return false;
	*ret_member = *bundle;
	ret_member->type = LT_BLOCK_EVENTS;
	ret_member->stream = (uint32_t)stream;
	ret_member->first_position = first_position;
	ret_member->end_position = first_position + slots;
	ret_member->begin_ns = bundle->begin_ns + (begin << bundle->time_shift);
	ret_member->end_ns = ret_member->begin_ns + (length << bundle->time_shift);
	ret_member->event_count = (uint32_t)event_count;
	ret_member->raw_bytes = (uint32_t)bytes;
	return true;
}

const char *bundle_begin(struct bundle_walk *walk, const struct block *bundle, const uint8_t *raw)
{
	struct lt_wire_in in = {raw, raw + bundle->payload_bytes, false};
	uint64_t count = lt_get_varint(&in), bytes = 0, events = 0;
	struct block member;

	/* a member never compresses to less than a byte: memory follows the file */
	if (count > bundle->compressed_bytes)
		return "the directory of a bundle is torn";
	walk->bundle = bundle;
	walk->left = count;
	walk->directory = in;
	for (uint64_t i = 0; i < count; i++) {
		if (!read_member(&in, bundle, &member))
			return "the directory of a bundle is torn";
		bytes += member.raw_bytes;
		events += member.event_count;
	}
	if (in.is_bad || bytes > (uint64_t)(in.end - in.at) || events != bundle->event_count)
		return "the parts of a bundle do not fit into it";
	walk->part_offset = (uint64_t)(in.at - raw);
	return NULL;
}

bool bundle_next(struct bundle_walk *walk, struct block *ret_member)
{
	if (!walk->left || !read_member(&walk->directory, walk->bundle, ret_member))
		return false;
	walk->left--;
	ret_member->part_offset = (uint32_t)walk->part_offset;
	walk->part_offset += ret_member->raw_bytes;
	return true;
}
