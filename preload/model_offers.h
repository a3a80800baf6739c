/* SPDX-License-Identifier: MIT */
/*
 * Files that may be models, from the hooks that see them opened or mapped to the writer, which
 * looks into them. A few slots without a lock: a file that finds none free is offered again when it
 * is opened again. Offers never wait. Their paths are the real ones, not as the trace has them, so
 * they lie in memory of this process, not in the pool.
 */
#ifndef LLMTRACE_MODEL_OFFERS_H
#define LLMTRACE_MODEL_OFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define OFFER_PATH_BYTES 1024u

struct model_offer {
	uint64_t device;
	uint64_t inode;
	uint64_t file_bytes;
	uint64_t modified_ns;
	uint32_t path;			  /* intern id, as the trace has it */
	int fd;				  /* of the target, at that time */
	char real_path[OFFER_PATH_BYTES]; /* "": longer than that */
};

/*
 * A file was opened. flags: as for open. path: as the target gave it, may be NULL; path_id: as the
 * trace has it. Any thread, signal handlers, inside a hook: most often only compares; else one or
 * two system calls.
 */
void model_offer_opened(int fd, int flags, const struct stat *stat, const char *path,
			uint32_t path_id);

/* So much of a file was mapped. No system calls when that is little. */
void model_offer_mapped(int fd, size_t length);

/* For the writer: takes one. @return false when there is none. */
bool model_offer_take(struct model_offer *ret_offer);

#endif
