/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, open file descriptions and FILE streams as the target sees them: which file a
 * descriptor means at a time, and the offset of every read. Descriptors and stream addresses are
 * used again; dup shares a position, fopen has one of its own. One thread.
 */
#ifndef LLMTRACE_FDS_H
#define LLMTRACE_FDS_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/events.h"

struct fd_model;
struct trace;

/* File 0 stands for stdin, stdout and stderr as FILE, and for what was opened where no hook saw it.
 */
struct io_file {
	const char *path;	/* pipes, sockets and the like without their number */
	uint64_t device, inode;
	uint64_t file_bytes;	/* the largest size seen at open */
	uint32_t block_bytes;	/* 0: not known */
	bool is_regular, is_directory;
};

/* What a read, write, open or close means. */
struct io_access {
	uint32_t file;		/* index for fd_model_file() */
	bool is_stream;		/* through a FILE */
	bool is_write;
	bool is_failed;
	int64_t offset_bytes;	/* -1: not known or none */
	int64_t expected_bytes;	/* where the read before it ended, 0 for the first one */
	uint64_t bytes;
	uint64_t call_count;
	uint64_t error_count;
	uint64_t duration_ns;
};

/* string: resolves string ids of records; context is passed on. */
struct fd_model *fd_model_new(const char *(*string)(const void *context, uint32_t id),
			      const void *context);
void fd_model_free(struct fd_model *model);

/*
 * Applies a record of kind open, close, dup, read, stream_read, io_run, seek or fd_seen.
 * ret_access: filled for open (file alone), read, stream_read and io_run.
 * @return whether ret_access was filled.
 */
bool fd_model_apply(struct fd_model *model, const struct lt_record *record,
		    struct io_access *ret_access);

/* @return the file behind a descriptor, 0 when it is not known. */
uint32_t fd_model_file_of(const struct fd_model *model, int32_t fd);

const struct io_file *fd_model_file(const struct fd_model *model, uint32_t file);
uint32_t fd_model_file_count(const struct fd_model *model);

#endif
