/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a file in order, through a small window: what the parsers of model headers read
 * from. Nothing behind `end` is ever read. A read that would pass it, or that fails, is refused and
 * sets is_bad, which sticks. One thread; allocates nothing, takes no lock.
 */
#ifndef LLMTRACE_MODEL_SOURCE_H
#define LLMTRACE_MODEL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_PIECE_BYTES 65536u /* read at once */

struct model_source {
	/* Reads at most that many. @return how many, 0 at the end of the file, or minus errno. */
	long (*read)(void *context, void *buffer, size_t bytes, uint64_t offset);
	/* Called now and then by long work that reads nothing; may be NULL. */
	void (*pause)(void *context);
	void *context;
	uint8_t *buffer;     /* of MODEL_PIECE_BYTES */
	size_t at, have;     /* in the buffer */
	uint64_t base;	     /* offset of the buffer in the file */
	uint64_t end;	     /* first offset that is not read */
	uint64_t file_bytes; /* may be more than end */
	bool is_bad;
};

static inline uint64_t source_offset(const struct model_source *source)
{
	return source->base + source->at;
}

/* Bytes in front of end; 0 for a bad source. */
static inline uint64_t source_left(const struct model_source *source)
{
	return source->is_bad ? 0 : source->end - source_offset(source);
}

/* Makes at least one more byte readable in the buffer. @return false behind the end. */
bool source_fill(struct model_source *source);

/* @return the next byte, which stays; -1 behind the end. */
static inline int source_peek(struct model_source *source)
{
	if (source->at == source->have && !source_fill(source))
		return -1;
	return source->buffer[source->at];
}

/* @return the next byte; -1 behind the end. */
static inline int source_byte(struct model_source *source)
{
	int byte = source_peek(source);

	source->at += byte >= 0;
	return byte;
}

/* Takes all bytes or none; zeros when there are not so many. */
bool source_bytes(struct model_source *source, void *bytes, size_t count);

bool source_skip(struct model_source *source, uint64_t count);

/* Little-endian; 0 behind the end. */
uint32_t source_u32(struct model_source *source);
uint64_t source_u64(struct model_source *source);

#endif
