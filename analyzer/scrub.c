/* SPDX-License-Identifier: MIT */
/*
 * See scrub.h. Nothing goes into the copy that was not understood: bytes between blocks, blocks
 * with a wrong checksum, rows of unknown kinds and blocks of unknown types are left out. Two passes
 * over the definitions: a name that stands behind a home folder anywhere in the trace is replaced
 * everywhere in it.
 */
#include "scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block_writer.h"
#include "blocks.h"
#include "blocks_window.h"
#include "completeness.h"
#include "scrub_pool.h"
#include "scrub_rows.h"
#include "trace.h"

struct scrub {
	struct block_index index;
	struct schema schema;
	struct scrub_facts facts;
	struct scrub_pool pool;
	struct block *blocks; /* all of the file but the pool's, in its order */
	size_t block_count;
	struct block_buffer buffer;
	struct block_writer writer;
};

static int cannot(struct error *ret_error, const char *path, const char *why)
{
	return error_set(ret_error, EXIT_UNUSABLE, "scrub: %s: %s", path, why);
}

/* ---- reading ---- */
static int compare_blocks(const void *left, const void *right)
{
	const struct block *a = left, *b = right;

	return a->payload_offset < b->payload_offset ? -1 : a->payload_offset > b->payload_offset;
}

static bool list_blocks(struct scrub *scrub)
{
	const struct block_list *lists[] = {&scrub->index.tables, &scrub->index.definitions,
					    &scrub->index.events, &scrub->index.live};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		count += lists[i]->count;
	scrub->blocks = calloc(count + 1, sizeof(*scrub->blocks));
	for (size_t i = 0; scrub->blocks && i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t j = 0; j < lists[i]->count; j++)
			scrub->blocks[scrub->block_count++] = lists[i]->blocks[j];
	if (scrub->blocks)
		qsort(scrub->blocks, count, sizeof(*scrub->blocks), compare_blocks);
	return scrub->blocks;
}

static void add_name(struct scrub *scrub, const char *name)
{
	if (name)
		lt_privacy_add_name(&scrub->facts.privacy, name, strlen(name));
}

/* The trace is most often that of the user who scrubs it. */
static void add_own_names(struct scrub *scrub)
{
	const struct passwd *self = getuid() >= 1000 ? getpwuid(getuid()) : NULL;
	const char *home = getenv("HOME"), *slash = home ? strrchr(home, '/') : NULL;

	add_name(scrub, getenv("USER"));
	add_name(scrub, getenv("LOGNAME"));
	add_name(scrub, slash && slash > home ? slash + 1 : NULL);
	add_name(scrub, self ? self->pw_name : NULL);
}

static const char *read_table_and_names(struct scrub *scrub)
{
	const char *fault = NULL;

	for (size_t i = 0; i < scrub->block_count && !fault; i++) {
		const struct block *block = &scrub->blocks[i];

		if (block->type == LT_BLOCK_EVENTS || block->type == LT_BLOCK_LIVE)
			continue;
		fault = block_read(&scrub->index, block, &scrub->buffer);
		if (!fault && block->type == LT_BLOCK_TABLE)
			fault = schema_read(&scrub->schema, scrub->buffer.raw, block->raw_bytes);
		else if (!fault)
			fault = scrub_learn(&scrub->facts, &scrub->schema, scrub->buffer.raw,
					    block->raw_bytes, block->event_count);
	}
	return fault;
}

static const char *prepare(struct scrub *scrub)
{
	const char *fault = NULL;

	if (getrandom(scrub->facts.privacy.key, sizeof(scrub->facts.privacy.key), 0) !=
	    sizeof(scrub->facts.privacy.key))
		return "the kernel has no random numbers";
	if (!schema_init(&scrub->schema) || !list_blocks(scrub))
		return "not enough memory";
	add_own_names(scrub);
	fault = read_table_and_names(scrub);
	if (!fault && scrub->index.is_pool_whole)
		fault = scrub_pool_open(&scrub->pool, &scrub->index);
	if (!fault && scrub->pool.bytes)
		scrub_pool_learn(&scrub->pool, &scrub->facts);
	return fault;
}

/* ---- writing ---- */
static bool write_header(struct scrub *scrub)
{
	struct lt_file_header header = scrub->index.header;

	lt_privacy_path(&scrub->facts.privacy, scrub->index.header.pool_path,
			strlen(scrub->index.header.pool_path), header.pool_path,
			sizeof(header.pool_path));
	header.crc = 0;
	header.crc = blocks_crc32c(0, &header, sizeof(header));
	return block_writer_frame(&scrub->writer, LT_FRAME_FILE, &header, sizeof(header));
}

/* The header of a block stands right before its payload. */
static const char *copy_block(struct scrub *scrub, const struct block *block)
{
	size_t length = sizeof(struct lt_block_header) + block->compressed_bytes;
	struct lt_frame_header frame = {LT_FRAME_BLOCK, sizeof(struct lt_block_header)};
	uint8_t *bytes = malloc(length);
	const char *fault = NULL;

	if (!bytes ||
	    window_pread(scrub->index.fd, bytes, length,
			 block->payload_offset - sizeof(struct lt_block_header)) != length)
		fault = "a block cannot be read";
	else if (!block_writer_bytes(&scrub->writer, &frame, sizeof(frame)) ||
		 !block_writer_bytes(&scrub->writer, bytes, length))
		fault = strerror(errno);
	free(bytes);
	return fault;
}

/* of: the block that they replace, whose number a segment has. */
static const char *write_rows(struct scrub *scrub, const struct scrub_rows *rows,
			      const struct block *of)
{
	struct lt_block_header header = {
		.type = LT_BLOCK_DEFS, .flags = of->flags, .first_position = of->first_position,
		.begin_ns = of->begin_ns, .end_ns = of->end_ns, .event_count = rows->count};

	if (rows->is_bad || rows->length > BLOCK_RAW_MAX_BYTES)
		return "not enough memory for its definitions";
	if (rows->count && !block_writer_block(&scrub->writer, &header, rows->bytes, rows->length))
		return strerror(errno);
	return NULL;
}

static const char *rewrite_block(struct scrub *scrub, const struct block *block)
{
	struct scrub_rows rows = {0};
	const char *fault = block_read(&scrub->index, block, &scrub->buffer);

	if (!fault)
		fault = scrub_rewrite(&scrub->facts, &scrub->schema, scrub->buffer.raw,
				      block->raw_bytes, block->event_count, &rows);
	if (!fault)
		fault = write_rows(scrub, &rows, block);
	scrub_rows_release(&rows);
	return fault;
}

static const char *write_pool(struct scrub *scrub)
{
	static const struct block of_none;
	struct scrub_rows rows = {0};
	const char *fault;

	scrub_pool_clean(&scrub->pool, &scrub->facts, &rows);
	fault = write_rows(scrub, &rows, &of_none);
	if (!fault && !scrub_pool_write(&scrub->pool, &scrub->writer))
		fault = strerror(errno);
	scrub_rows_release(&rows);
	return fault;
}

static const char *write_all(struct scrub *scrub)
{
	const char *fault = write_header(scrub) ? NULL : strerror(errno);

	for (size_t i = 0; i < scrub->block_count && !fault; i++) {
		/* the members of a bundle stand in one block */
		if (i && scrub->blocks[i].payload_offset == scrub->blocks[i - 1].payload_offset)
			continue;
		fault = scrub->blocks[i].type == LT_BLOCK_DEFS
				? rewrite_block(scrub, &scrub->blocks[i])
				: copy_block(scrub, &scrub->blocks[i]);
	}
	if (!fault && scrub->pool.bytes)
		fault = write_pool(scrub);
	if (!fault && scrub->index.has_end) {
		struct lt_file_end end = scrub->index.end;

		end.crc = 0;
		end.crc = blocks_crc32c(0, &end, sizeof(end));
		if (!block_writer_frame(&scrub->writer, LT_FRAME_END, &end, sizeof(end)))
			fault = strerror(errno);
	}
	return !fault && fsync(scrub->writer.fd) ? strerror(errno) : fault;
}

static void release(struct scrub *scrub)
{
	block_writer_release(&scrub->writer);
	block_buffer_release(&scrub->buffer);
	scrub_pool_close(&scrub->pool);
	schema_release(&scrub->schema);
	free(scrub->blocks);
}

static int write_copy(struct scrub *scrub, const char *to, struct error *ret_error)
{
	const char *fault;

	scrub->writer.fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (scrub->writer.fd < 0)
		return cannot(ret_error, to,
			      errno == EEXIST ? "is there already; give a name that is not"
					      : strerror(errno));
	fault = write_all(scrub);
	close(scrub->writer.fd);
	if (!fault)
		return 0;
	unlink(to);
	return cannot(ret_error, to, fault);
}

/* ---- the command ---- */

/* Takes the rings of a killed process into the trace. @return 0, or why nothing can be copied. */
static int settle(const char *from, struct error *ret_missing, int *ret_missing_code,
		  struct error *ret_error)
{
	const struct trace_options options = {.remove_pool = true};
	struct trace_batch batch;
	struct trace *trace;
	int status = trace_open(from, &options, &trace, ret_error);

	if (status)
		return status;
	if (trace_facts(trace)->state == TRACE_RUNNING) {
		status = cannot(ret_error, from,
				"the process still runs; scrub its trace when it has ended");
	} else {
		while (trace_next_batch(trace, &batch))
			;
		*ret_missing_code = completeness(trace, ret_missing);
	}
	trace_close(trace);
	return status;
}

int scrub_run(const char *from, const char *to, struct error *ret_error)
{
	struct scrub scrub = {.writer = {.fd = -1}};
	struct error missing;
	int missing_code = 0, status = settle(from, &missing, &missing_code, ret_error);
	const char *fault;

	if (status)
		return status;
	status = block_index_init(&scrub.index, from, ret_error);
	if (status)
		return status;
	fault = prepare(&scrub);
	if (fault)
		status = cannot(ret_error, from, fault);
	else if (!scrub.index.has_end && !scrub.index.is_pool_whole && !missing_code)
		status = cannot(ret_error, from,
				"the rings of the killed process are not in it, and it cannot be "
				"written; make it writable first");
	else
		status = write_copy(&scrub, to, ret_error);
	release(&scrub);
	block_index_release(&scrub.index);
	if (!status && missing_code) {
		*ret_error = missing;
		return missing_code;
	}
	return status;
}
