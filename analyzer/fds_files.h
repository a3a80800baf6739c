/* SPDX-License-Identifier: MIT */
/*
 * The files that descriptors stand for, one for each path. Used by fds.c alone. One thread.
 */
#ifndef LLMTRACE_FDS_FILES_H
#define LLMTRACE_FDS_FILES_H

#include "fds.h"
#include "report_alloc.h"
#include "report_hash.h"

struct file_entry {
	struct io_file file;
	uint32_t next;		/* whose path has the same hash; 0: the last one */
};

struct file_table {
	struct arena arena;
	struct file_entry *entries;	/* entry 0: descriptors never seen being opened */
	size_t count, capacity;
	struct key_index paths;		/* hash of a path > index in first */
	uint32_t *first;
	size_t first_capacity;
};

void file_table_init(struct file_table *table);
void file_table_release(struct file_table *table);

/*
 * Finds or adds the file of file->path (NULL and "" are named); pipes and sockets lose their
 * number. What is known already is brought up to date. @return its index.
 */
uint32_t file_table_put(struct file_table *table, const struct io_file *file);

#endif
