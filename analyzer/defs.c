/* SPDX-License-Identifier: MIT */
/*
 * Payloads of DEFS blocks > rows. A row's fields come in the order of the file's own table; they
 * are put in the order of this build's first, so that what follows need not know the difference.
 */
#include "defs.h"

#include <string.h>

#include "blocks.h"
#include "defs_rows.h"
#include "llmtrace/wire.h"

#define MAX_DEF_FIELDS 16

/* A field of a row: a number, or bytes. Fields that the file does not have are 0 and empty. */
struct def_value {
	uint64_t number;
	const uint8_t *bytes;
	size_t length;
};

/* Indices of fields, in the order of events.def. */
enum {
	META_KEY,
	META_VALUE,
	STRING_ID = 0,
	STRING_VALUE,
	STACK_ID = 0,
	STACK_IS_TRUNCATED,
	STACK_FRAMES,
	MODULE_ID = 0,
	MODULE_LOAD_BIAS,
	MODULE_START_ADDR,
	MODULE_END_ADDR,
	MODULE_FIRST_GENERATION,
	MODULE_TIME_NS,
	MODULE_BUILD_ID,
	MODULE_PATH,
	MODULE_END_ID = 0,
	MODULE_END_LAST_GENERATION,
	MODULE_END_TIME_NS,
	SYMBOL_MODULE = 0,
	SYMBOL_START_OFFSET,
	SYMBOL_SIZE_BYTES,
	SYMBOL_NAME,
	STREAM_ID = 0,
	STREAM_TID,
	STREAM_START_NS,
	SEGMENT_NUMBER = 0,
	SEGMENT_BEGIN_NS,
	SEGMENT_EVENT_COUNT,
	SEGMENT_WRITTEN_BYTES,
	SEGMENT_LIVE_COUNT,
	SEGMENT_LIVE_BYTES,
	MODEL_ID = 0,
	MODEL_PATH,
	MODEL_FORMAT,
	MODEL_VERSION,
	MODEL_DEVICE,
	MODEL_INODE,
	MODEL_FILE_BYTES,
	MODEL_DATA_OFFSET,
	MODEL_ALIGNMENT_BYTES,
	MODEL_ARCHITECTURE,
	TENSOR_MODEL = 0,
	TENSOR_OFFSET,
	TENSOR_SIZE_BYTES,
	TENSOR_TYPE,
	TENSOR_NAME,
};

static bool read_values(const struct schema_kind *kind, struct lt_wire_in *in,
			struct def_value *values)
{
	for (unsigned i = 0; i < kind->field_count && in->at < in->end; i++) {
		const struct schema_field *field = &kind->fields[i];
		struct def_value value = { 0, NULL, 0 };
		uint64_t length;

		if (field->file_type == LT_TYPE_text || field->file_type == LT_TYPE_bytes ||
		    field->file_type == LT_TYPE_frames) {
			value.bytes = lt_get_text(in, &length);
			value.length = (size_t)length;
		} else {
			value.number = lt_get_varint(in);
		}
		if (in->is_bad)
			return false;
		if (field->info && field->index < MAX_DEF_FIELDS)
			values[field->index] = value;
	}
	return true;
}

static char *keep(struct defs *defs, const struct def_value *value)
{
	return defs_keep_text(defs, value->bytes, value->length);
}

static bool take_stack(struct defs *defs, const struct def_value *values)
{
	const struct def_value *frames = &values[STACK_FRAMES];
	struct lt_wire_in in = { frames->bytes, frames->bytes, false };

	if (frames->length)
		in.end += frames->length;
	if (!stacks_begin(&defs->stacks, values[STACK_ID].number,
			  values[STACK_IS_TRUNCATED].number != 0))
		return true;
	while (in.at < in.end) {
		uint64_t module = lt_get_varint(&in);
		struct trace_frame frame = { (uint32_t)module, lt_get_varint(&in) };

		if (in.is_bad || module >= TRACE_MAX_ID ||
		    !stacks_add_frame(&defs->stacks, frame))
			return false;
	}
	return true;
}

static void take_module(struct defs *defs, const struct def_value *values)
{
	struct trace_module module = {
		.load_bias = values[MODULE_LOAD_BIAS].number,
		.start_addr = values[MODULE_START_ADDR].number,
		.end_addr = values[MODULE_END_ADDR].number,
		.first_generation = values[MODULE_FIRST_GENERATION].number,
		.last_generation = UINT64_MAX,
		.first_ns = values[MODULE_TIME_NS].number,
		.last_ns = UINT64_MAX,
		.build_id_bytes = values[MODULE_BUILD_ID].length,
	};

	module.build_id = (const uint8_t *)keep(defs, &values[MODULE_BUILD_ID]);
	module.path = keep(defs, &values[MODULE_PATH]);
	if (module.build_id && module.path)
		defs_add_module(defs, values[MODULE_ID].number, &module);
}

static void take_symbol(struct defs *defs, const struct def_value *values)
{
	struct trace_symbol symbol = {
		.module = (uint32_t)values[SYMBOL_MODULE].number,
		.start_offset = values[SYMBOL_START_OFFSET].number,
		.size_bytes = values[SYMBOL_SIZE_BYTES].number,
		.name = keep(defs, &values[SYMBOL_NAME]),
	};

	if (values[SYMBOL_MODULE].number < TRACE_MAX_ID)
		defs_add_symbol(defs, &symbol);
}

static void take_segment(struct defs *defs, const struct def_value *values)
{
	uint64_t number = values[SEGMENT_NUMBER].number;

	if (!number || (defs->oldest.number && defs->oldest.number <= number))
		return;
	defs->oldest = (struct trace_segment){
		.number = number,
		.begin_ns = values[SEGMENT_BEGIN_NS].number,
		.event_count = values[SEGMENT_EVENT_COUNT].number,
		.written_bytes = values[SEGMENT_WRITTEN_BYTES].number,
		.live_count = values[SEGMENT_LIVE_COUNT].number,
		.live_bytes = values[SEGMENT_LIVE_BYTES].number,
	};
}

static void take_model(struct defs *defs, const struct def_value *values)
{
	uint64_t id = values[MODEL_ID].number;
	struct trace_model model = {
		.id = (uint32_t)id,
		.version = values[MODEL_VERSION].number,
		.device = values[MODEL_DEVICE].number,
		.inode = values[MODEL_INODE].number,
		.file_bytes = values[MODEL_FILE_BYTES].number,
		.data_offset = values[MODEL_DATA_OFFSET].number,
		.alignment_bytes = values[MODEL_ALIGNMENT_BYTES].number,
	};

	if (id == 0 || id >= TRACE_MAX_ID || defs_repeats_model(defs, (uint32_t)id))
		return;
	model.path = keep(defs, &values[MODEL_PATH]);
	model.format = keep(defs, &values[MODEL_FORMAT]);
	model.architecture = keep(defs, &values[MODEL_ARCHITECTURE]);
	if (model.path && model.format && model.architecture)
		defs_add_model(defs, &model);
}

static void take_tensor(struct defs *defs, const struct def_value *values)
{
	const struct def_value *type = &values[TENSOR_TYPE], *name = &values[TENSOR_NAME];
	struct trace_tensor tensor = {
		.model = (uint32_t)values[TENSOR_MODEL].number,
		.offset = values[TENSOR_OFFSET].number,
		.size_bytes = values[TENSOR_SIZE_BYTES].number,
	};

	if (values[TENSOR_MODEL].number >= TRACE_MAX_ID ||
	    defs_repeats_tensor(defs, &tensor, name->bytes, name->length))
		return;
	tensor.type = defs_keep_type(defs, type->bytes, type->length);
	tensor.name = keep(defs, name);
	if (tensor.type && tensor.name)
		defs_add_tensor(defs, &tensor);
}

/* @return false when the row is torn. */
static bool take_row(struct defs *defs, uint64_t kind, const struct def_value *values)
{
	switch (kind) {
	case LT_KIND_meta:
		defs_add_meta(defs, keep(defs, &values[META_KEY]), keep(defs, &values[META_VALUE]),
			      values[META_VALUE].length);
		return true;
	case LT_KIND_string:
		defs_add_string(defs, values[STRING_ID].number, values[STRING_VALUE].bytes,
				values[STRING_VALUE].length);
		return true;
	case LT_KIND_stack:
		return take_stack(defs, values);
	case LT_KIND_module:
		take_module(defs, values);
		return true;
	case LT_KIND_module_end:
		defs_end_module(defs, values[MODULE_END_ID].number,
				values[MODULE_END_LAST_GENERATION].number,
				values[MODULE_END_TIME_NS].number);
		return true;
	case LT_KIND_symbol:
		take_symbol(defs, values);
		return true;
	case LT_KIND_stream:
		defs_add_stream(defs, values[STREAM_ID].number, (uint32_t)values[STREAM_TID].number,
				values[STREAM_START_NS].number);
		return true;
	case LT_KIND_segment:
		take_segment(defs, values);
		return true;
	case LT_KIND_model:
		take_model(defs, values);
		return true;
	case LT_KIND_tensor:
		take_tensor(defs, values);
		return true;
	default:
		return true;
	}
}

const char *defs_read(struct defs *defs, const struct schema *schema, const uint8_t *bytes,
		      size_t length, uint32_t row_count)
{
	struct lt_wire_in in = { bytes, bytes + length, false };

	for (uint32_t i = 0; i < row_count; i++) {
		struct def_value values[MAX_DEF_FIELDS] = { { 0, NULL, 0 } };
		uint64_t kind = lt_get_varint(&in);
		uint64_t row_bytes;
		const uint8_t *row = lt_get_text(&in, &row_bytes);
		struct lt_wire_in row_in;

		if (!row)
			return "a block of definitions is torn";
		row_in = (struct lt_wire_in){ row, row + row_bytes, false };
		if (kind < SCHEMA_KINDS &&
		    (!read_values(&schema->kinds[kind], &row_in, values) ||
		     !take_row(defs, kind, values)))
			return "a definition is torn";
	}
	return NULL;
}
