/* SPDX-License-Identifier: MIT */
/*
 * What make_gguf's two halves share: the shape of a synthetic llama model and
 * the writer that turns it into a GGUF v3 file. make_gguf.c reads the options and
 * picks the shape, gguf_model.c owns the bytes. One thread; no global state.
 */
#ifndef SAMPLES_GGUF_MODEL_H
#define SAMPLES_GGUF_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Special and byte tokens, the space, 94 characters: what every vocabulary begins with. */
#define GGUF_VOCAB_MIN (3 + 256 + 1 + 94)

/* The engine aborts on a mapped tensor that is aligned to less. */
#define GGUF_ALIGN_MIN 32

struct weight_type {
	const char *name;
	uint32_t ggml_type;
	uint32_t file_type;
	uint32_t block_weights;
	uint32_t block_bytes;
	double unit_rms;	/* of a block's weights when its scale is 1 */
};

struct shape {
	uint64_t layers, width, ff, heads, kv_heads, vocab;
};

struct model {
	struct shape shape;
	const struct weight_type *type;
	uint64_t align_bytes;	/* of the data section and every tensor; a power of two */
	uint64_t seed;
};

/**
 * Finds a weight type by its name ("f16", "q8_0", "q4_0"); NULL when unknown.
 */
const struct weight_type *weight_type_find(const char *name);

/**
 * Size of the tensor data in bytes, padding included; the metadata is not counted.
 */
uint64_t model_data_bytes(const struct model *model);

/** Bytes of the three tokenizer arrays in the metadata, their keys left out. */
uint64_t model_vocab_bytes(const struct model *model);

/**
 * Writes the whole model to fd from its current position.
 * Returns 0, or -errno of the first write that failed; *ret_bytes is how many
 * bytes were written, *ret_tensors how many tensors the model has.
 */
int model_write(const struct model *model, int fd, uint64_t *ret_bytes, uint64_t *ret_tensors);

#endif
