/* SPDX-License-Identifier: MIT */
/*
 * Definitions of the trace; see definitions.h. A full buffer of rows is handed to the writer at
 * once, so one row may be as long as the longest string or stack and the number of rows has no
 * limit.
 */
#include "definitions.h"

#include <string.h>

#include "function_names.h"
#include "intern.h"
#include "llmtrace/events.h"
#include "llmtrace/wire.h"
#include "model_header.h"
#include "model_index.h"
#include "privacy.h"
#include "sys.h"
#include "trace_file.h"

#define ROWS_BYTES (1u << 20)
#define ROW_MAX_BYTES 16384u
#define KEPT_BYTES 65536u

static uint8_t *rows;
static struct lt_wire_out out;
static uint32_t row_count;
static uint32_t next_stack = 1, next_string = 1;
static uint32_t modules_done;	 /* definitions written for modules 1..modules_done */
static uint8_t *module_end_done; /* bit by module */

#define MODULE_BITS 4096u

bool definitions_init(void)
{
	rows = sys_memory(ROWS_BYTES);
	module_end_done = sys_memory(MODULE_BITS / 8);
	out = (struct lt_wire_out){rows, rows ? rows + ROWS_BYTES : NULL, false};
	return rows && module_end_done;
}

bool definitions_take(const uint8_t **ret_rows, size_t *ret_bytes, uint32_t *ret_count)
{
	*ret_rows = rows;
	*   ret_bytes = (size_t)(out.at - rows);
	*   ret_count = row_count;
	out.at = rows;
	row_count = 0;
	return *ret_count;
}

/*
 * Rows that cannot be made again for a checkpoint, or only by reading symbol tables once more: kept
 * as they were written.
 */
static uint8_t *kept;
static size_t kept_bytes, kept_max;
static uint32_t kept_count;

static void keep(unsigned kind, const uint8_t *row, size_t length)
{
	struct lt_wire_out to;

	if (kept_bytes + length + 2 * LT_VARINT_MAX_BYTES > kept_max) {
		size_t max = kept_max ? kept_max * 2 : KEPT_BYTES;
		uint8_t *more = sys_memory(max);

		if (!more)
			return;
		if (kept) {
			memcpy(more, kept, kept_bytes);
			sys_memory_release(kept, kept_max);
		}
		kept = more;
		kept_max = max;
	}
	to = (struct lt_wire_out){kept + kept_bytes, kept + kept_max, false};
	lt_put_varint(&to, kind);
	lt_put_varint(&to, length);
	lt_put_bytes(&to, row, length);
	kept_bytes = (size_t)(to.at - kept);
	kept_count++;
}

static void add_row(unsigned kind, const uint8_t *row, size_t length)
{
	if ((size_t)(out.end - out.at) < length + 2 * LT_VARINT_MAX_BYTES)
		trace_file_write_definitions(0);
	lt_put_varint(&out, kind);
	lt_put_varint(&out, length);
	lt_put_bytes(&out, row, length);
	row_count++;
}

static void repeat_kept(void)
{
	struct lt_wire_in in = {kept, kept + kept_bytes, false};

	for (uint32_t i = 0; i < kept_count; i++) {
		unsigned kind = (unsigned)lt_get_varint(&in);
		uint64_t length;
		const uint8_t *row = lt_get_text(&in, &length);

		add_row(kind, row, (size_t)length);
	}
}

/* A row is built apart, since its length stands before it. */
struct row {
	uint8_t bytes[ROW_MAX_BYTES];
	struct lt_wire_out out;
};

static void row_begin(struct row *row)
{
	row->out = (struct lt_wire_out){row->bytes, row->bytes + sizeof(row->bytes), false};
}

static void row_end(struct row *row, unsigned kind)
{
	size_t length = (size_t)(row->out.at - row->bytes);

	if (row->out.is_bad)
		return;
	add_row(kind, row->bytes, length);
	if (kind == LT_KIND_meta || kind == LT_KIND_symbol)
		keep(kind, row->bytes, length);
}

void definitions_meta(const char *key, const char *value, size_t length)
{
	struct row row;

	row_begin(&row);
	lt_put_text(&row.out, key, strlen(key));
	lt_put_text(&row.out, value, length < ROW_MAX_BYTES / 2 ? length : ROW_MAX_BYTES / 2);
	row_end(&row, LT_KIND_meta);
}

void definitions_stream(uint32_t stream, uint32_t tid, uint64_t start_ns)
{
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, stream);
	lt_put_varint(&row.out, tid);
	lt_put_varint(&row.out, start_ns);
	row_end(&row, LT_KIND_stream);
}

void definitions_symbol(uint32_t module, uint64_t start_offset, uint64_t size_bytes,
			const char *name, size_t length)
{
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, module);
	lt_put_varint(&row.out, start_offset);
	lt_put_varint(&row.out, size_bytes);
	lt_put_text(&row.out, name, length);
	row_end(&row, LT_KIND_symbol);
}

void definitions_segment(const struct definitions_segment *segment)
{
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, segment->number);
	lt_put_varint(&row.out, segment->begin_ns);
	lt_put_varint(&row.out, segment->event_count);
	lt_put_varint(&row.out, segment->written_bytes);
	lt_put_varint(&row.out, segment->live_count);
	lt_put_varint(&row.out, segment->live_bytes);
	row_end(&row, LT_KIND_segment);
}

void definitions_model(const struct definitions_model *model, const struct model_header *header)
{
	const struct lt_intern_entry *path =
		model->path ? intern_entry_checked(model->path) : NULL;
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, model->id);
	lt_put_text(&row.out, path ? (const char *)path->data : "", path ? path->length : 0);
	lt_put_text(&row.out, header->format, strlen(header->format));
	lt_put_varint(&row.out, header->version);
	lt_put_varint(&row.out, model->device);
	lt_put_varint(&row.out, model->inode);
	lt_put_varint(&row.out, model->file_bytes);
	lt_put_varint(&row.out, header->data_offset);
	lt_put_varint(&row.out, header->alignment_bytes);
	lt_put_text(&row.out, header->architecture, strlen(header->architecture));
	row_end(&row, LT_KIND_model);
}

void definitions_tensor(uint32_t model, const struct model_header *header,
			const struct model_row *tensor)
{
	const char *type = header->table.types[tensor->type].text;
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, model);
	lt_put_varint(&row.out, tensor->offset);
	lt_put_varint(&row.out, tensor->size_bytes);
	lt_put_text(&row.out, type, strlen(type));
	lt_put_text(&row.out, header->table.names + tensor->name_at, tensor->name_bytes);
	row_end(&row, LT_KIND_tensor);
}

static void put_module(const struct module *module)
{
	char path[LT_PATH_BYTES];
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, module->id);
	lt_put_varint(&row.out, module->load_bias);
	lt_put_varint(&row.out, module->start);
	lt_put_varint(&row.out, module->end);
	lt_put_varint(&row.out, module->first_generation);
	lt_put_varint(&row.out, module->time_ns);
	lt_put_text(&row.out, module->build_id, module->build_id_bytes);
	lt_put_text(&row.out, path,
		    privacy_path(module->path, strlen(module->path), path, sizeof(path)));
	row_end(&row, LT_KIND_module);
}

static void put_module_end(const struct module *module)
{
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, module->id);
	lt_put_varint(&row.out, module->last_generation);
	lt_put_varint(&row.out, module->end_ns);
	row_end(&row, LT_KIND_module_end);
}

void definitions_modules(void)
{
	const struct module *module;

	while ((module = modules_at(modules_done))) {
		put_module(module);
		modules_done++;
	}
	for (uint32_t i = 0; i < modules_done && i < MODULE_BITS; i++) {
		module = modules_at(i);
		if (module->last_generation == UINT32_MAX || module_end_done[i / 8] & 1u << i % 8)
			continue;
		put_module_end(module);
		module_end_done[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

static const struct module *find_module(uint64_t addr, uint32_t generation)
{
	const struct module *module = modules_find(addr, generation);

	if (!module) {
		modules_refresh();
		module = modules_find(addr, generation);
	}
	if (module && module->id > modules_done)
		definitions_modules();
	return module;
}

/* The entry points of phases stand between the target's frames; they are not the target's. */
static bool is_own_frame(const struct module *module)
{
	return module && module->start <= (uintptr_t)is_own_frame &&
	       (uintptr_t)is_own_frame < module->end;
}

static void put_frame(struct lt_wire_out *frames, uint64_t addr, uint32_t generation)
{
	const struct module *module = find_module(addr, generation);

	if (is_own_frame(module))
		return;
	lt_put_varint(frames, module ? module->id : 0);
	lt_put_varint(frames, module ? addr - module->load_bias : addr);
	if (module)
		function_names_want(module->id, addr - module->load_bias);
}

static void put_stack(const struct lt_intern_entry *entry)
{
	uint8_t bytes[LT_STACK_MAX_DEPTH * 2 * LT_VARINT_MAX_BYTES];
	struct lt_wire_out frames = {bytes, bytes + sizeof(bytes), false};
	struct row row;

	for (uint32_t i = 0; i < entry->length / 8 && i < LT_STACK_MAX_DEPTH; i++) {
		uint64_t addr;

		memcpy(&addr, &entry->data[i * 8], 8);
		put_frame(&frames, addr, entry->generation);
	}
	row_begin(&row);
	lt_put_varint(&row.out, entry->file_id);
	lt_put_varint(&row.out, !!(entry->generation & LT_STACK_IS_TRUNCATED));
	lt_put_text(&row.out, bytes, (size_t)(frames.at - bytes));
	row_end(&row, LT_KIND_stack);
}

static void put_string(const struct lt_intern_entry *entry)
{
	struct row row;

	row_begin(&row);
	lt_put_varint(&row.out, entry->file_id);
	lt_put_text(&row.out, entry->data, entry->length);
	row_end(&row, LT_KIND_string);
}

static void put_entry(const struct lt_intern_entry *entry)
{
	if (entry->state == LT_INTERN_STACK)
		put_stack(entry);
	else
		put_string(entry);
}

uint32_t definitions_id(uint32_t intern_id)
{
	struct lt_intern_entry *entry = intern_id ? intern_entry_checked(intern_id) : NULL;

	if (!entry)
		return 0;
	if (__builtin_expect(!entry->file_id, 0)) {
		uint32_t id = entry->state == LT_INTERN_STACK ? next_stack++ : next_string++;

		entry->file_id = id;
		put_entry(entry);
	}
	return entry->file_id;
}

static void repeat_entry(const struct lt_intern_entry *entry)
{
	if (entry->file_id && !(entry->state & LT_INTERN_IS_DUPLICATE))
		put_entry(entry);
}

void definitions_repeat(void)
{
	modules_done = 0;
	memset(module_end_done, 0, MODULE_BITS / 8);
	definitions_modules();
	intern_for_each(repeat_entry);
	repeat_kept();
	model_index_repeat();
}
