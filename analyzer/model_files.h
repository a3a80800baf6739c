/* SPDX-License-Identifier: MIT */
/*
 * The model files of a trace: which tensor lies at an offset of a file, and what that tensor is
 * for. Made from the definitions of the trace alone; the files are not needed. Built once, then
 * only read: any number of threads may look up. What it hands out lives as long as it and the
 * trace.
 */
#ifndef LLMTRACE_MODEL_FILES_H
#define LLMTRACE_MODEL_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "trace.h"

/* What a tensor is for; the last two are no tensors. */
enum tensor_kind {
	TENSOR_OTHER,
	TENSOR_ATTENTION,
	TENSOR_FEED_FORWARD,
	TENSOR_EXPERT, /* feed-forward of a mixture of experts */
	TENSOR_NORM,
	TENSOR_EMBEDDING,
	TENSOR_OUTPUT,
	TENSOR_HEADER,	/* in front of the data of the tensors */
	TENSOR_PADDING, /* between tensors and behind the last one */
};

#define TENSOR_KIND_COUNT (TENSOR_PADDING + 1)

struct model_tensor {
	uint64_t offset; /* first byte in the file */
	uint64_t size_bytes;
	const char *name;
	const char *type; /* as its format names it */
	int32_t layer;	  /* -1: of none */
	enum tensor_kind kind;
};

struct model_file {
	const struct trace_model *row;	    /* path, format, device, inode ... */
	const struct model_tensor *tensors; /* by offset */
	size_t tensor_count;
};

/* tensor NULL: header or padding. name is never NULL ("[header]", "[padding]"). */
struct model_place {
	const struct model_tensor *tensor;
	const char *name;
	int32_t layer;
	enum tensor_kind kind;
	uint64_t end_offset; /* the next place begins there; UINT64_MAX behind the last one */
};

struct model_files;

struct model_files *model_files_new(const struct trace *trace);
void model_files_free(struct model_files *files);

size_t model_files_count(const struct model_files *files);
const struct model_file *model_files_at(const struct model_files *files, size_t index);

/*
 * @return the model of a file, NULL for none. By device and inode where inode is not 0 and a model
 * has them (the newest of several); else by path (may be NULL).
 */
const struct model_file *model_files_find(const struct model_files *files, uint64_t device,
					  uint64_t inode, const char *path);

/* What lies at an offset of the file. Overlapping tensors: the one that begins last. */
struct model_place model_file_place(const struct model_file *file, uint64_t offset);

/* The number in "blk.7.attn_q.weight" and in the names of other families; -1 for none. */
int32_t model_tensor_layer(const char *name);

enum tensor_kind model_tensor_kind(const char *name);

/* "attention", "feed-forward" ... */
const char *model_tensor_kind_name(enum tensor_kind kind);

#endif
