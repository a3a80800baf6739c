/* SPDX-License-Identifier: MIT */
/*
 * Headers of model files. Nothing in a file is trusted: lengths, counts and depths are bounded, and
 * what does not fit ends the reading. Pure functions of the bytes, but for the memory of the table.
 * One thread.
 */
#ifndef LLMTRACE_MODEL_HEADER_H
#define LLMTRACE_MODEL_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "model_source.h"
#include "model_table.h"

#define MODEL_MAGIC_BYTES 9u /* so many bytes tell a model from other files */
#define MODEL_ARCHITECTURE_BYTES 64u

struct model_header {
	const char *format; /* constant */
	uint32_t version;
	uint32_t alignment_bytes; /* that the file names; 0: none */
	uint64_t data_offset;
	char architecture[MODEL_ARCHITECTURE_BYTES]; /* terminated */
	struct model_table table;		     /* by offset in the file */
};

/* Whether a file may be of that format. magic: its first bytes. */
bool gguf_is(const uint8_t magic[MODEL_MAGIC_BYTES]);
bool safetensors_is(const uint8_t magic[MODEL_MAGIC_BYTES], uint64_t file_bytes);

/*
 * Reads a header from the first byte on. header: zeros, but for table.max_bytes. @return false: it
 * is no such file, or so torn that nothing of it is known; the table may still have memory.
 */
bool gguf_read(struct model_source *source, struct model_header *header);
bool safetensors_read(struct model_source *source, struct model_header *header);

#endif
