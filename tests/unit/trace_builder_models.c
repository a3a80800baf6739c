/* SPDX-License-Identifier: MIT */
/* Model files in a trace that is built; see trace_builder.h. */
#include "trace_builder.h"

#include <assert.h>
#include <string.h>

#include "llmtrace/events.h"
#include "llmtrace/wire.h"

#define ROW_BYTES 4096

static void put_text(struct lt_wire_out *out, const char *text)
{
	lt_put_text(out, text, strlen(text));
}

static void end_row(struct trace_builder *builder, unsigned kind, const uint8_t *row,
		    const struct lt_wire_out *out)
{
	assert(!out->is_bad);
	builder_definition(builder, kind, row, (size_t)(out->at - row));
}

void builder_model(struct trace_builder *builder, uint32_t id, const char *path, uint64_t inode,
		   uint64_t data_offset)
{
	uint8_t row[ROW_BYTES];
	struct lt_wire_out out = {row, row + sizeof(row), false};

	lt_put_varint(&out, id);
	put_text(&out, path);
	put_text(&out, "gguf");
	lt_put_varint(&out, 3);
	lt_put_varint(&out, 7);
	lt_put_varint(&out, inode);
	lt_put_varint(&out, 1 << 20);
	lt_put_varint(&out, data_offset);
	lt_put_varint(&out, 32);
	put_text(&out, "llama");
	end_row(builder, LT_KIND_model, row, &out);
}

void builder_tensor(struct trace_builder *builder, uint32_t model, uint64_t offset,
		    uint64_t size_bytes, const char *name)
{
	uint8_t row[ROW_BYTES];
	struct lt_wire_out out = {row, row + sizeof(row), false};

	lt_put_varint(&out, model);
	lt_put_varint(&out, offset);
	lt_put_varint(&out, size_bytes);
	put_text(&out, "q8_0");
	put_text(&out, name);
	end_row(builder, LT_KIND_tensor, row, &out);
}
