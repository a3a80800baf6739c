/* SPDX-License-Identifier: MIT */
/* Bundles of trace_builder.h. */
#include <stdlib.h>

#include "trace_builder_inner.h"

void builder_flush_part(struct trace_builder *builder, uint32_t stream)
{
	struct lt_block_header *header = &builder->part_headers[builder->part_count++];

	builder_need(builder->part_count <= 64, "too many parts");
	*header = builder_finish_block(builder, stream);
	header->raw_bytes = (uint32_t)builder->payload.length;
	builder_put(&builder->parts, builder->payload.data, builder->payload.length);
}

void builder_write_bundle(struct trace_builder *builder)
{
	struct lt_block_header bundle = { .type = LT_BLOCK_BUNDLE, .begin_ns = UINT64_MAX };
	struct bytes payload = { 0 };

	builder_flush_definitions(builder);
	for (unsigned i = 0; i < builder->part_count; i++)
		if (builder->part_headers[i].begin_ns < bundle.begin_ns)
			bundle.begin_ns = builder->part_headers[i].begin_ns;
	builder_put_varint(&payload, builder->part_count);
	for (unsigned i = 0; i < builder->part_count; i++) {
		const struct lt_block_header *part = &builder->part_headers[i];

		builder_put_varint(&payload, part->stream);
		builder_put_varint(&payload, part->first_position);
		builder_put_varint(&payload, part->end_position - part->first_position);
		builder_put_varint(&payload, part->begin_ns - bundle.begin_ns);
		builder_put_varint(&payload, part->end_ns - part->begin_ns);
		builder_put_varint(&payload, part->event_count);
		builder_put_varint(&payload, part->raw_bytes);
		bundle.event_count += part->event_count;
		if (part->end_ns > bundle.end_ns)
			bundle.end_ns = part->end_ns;
	}
	builder_put(&payload, builder->parts.data, builder->parts.length);
	builder_raw_block(builder, &bundle, payload.data, payload.length);
	builder->part_count = 0;
	builder->parts.length = 0;
	free(payload.data);
}
