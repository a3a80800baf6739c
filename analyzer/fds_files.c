/* SPDX-License-Identifier: MIT */
/*
 * The table of files: paths are copies, entries are never given back. A run opens thousands of
 * paths.
 */
#include "fds_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash_mix.h"

static uint32_t add_file(struct file_table *table, const struct io_file *file, uint32_t *bucket)
{
	struct file_entry *entry;

	table->entries = report_grow(table->entries, &table->capacity, table->count + 1,
				     sizeof(*entry));
	entry = &table->entries[table->count];
	entry->file = *file;
	entry->file.path = arena_text(&table->arena, file->path);
	entry->next = *bucket;
	*bucket = (uint32_t)table->count;
	return (uint32_t)table->count++;
}

void file_table_init(struct file_table *table)
{
	struct io_file unknown = { .path = "[standard streams, or opened unseen]" };
	uint32_t no_bucket = 0;

	add_file(table, &unknown, &no_bucket);
}

void file_table_release(struct file_table *table)
{
	free(table->entries);
	free(table->first);
	key_index_release(&table->paths);
	arena_release(&table->arena);
}

/* "pipe:[4711]" is another one in every run: the number says nothing. */
static void plain_path(char *ret_path, size_t bytes, const char *path)
{
	size_t length = path ? strcspn(path, ":") : 0;

	if (!path || !*path)
		snprintf(ret_path, bytes, "[no path]");
	else if (path[0] != '/' && !strncmp(path + length, ":[", 2) &&
		 strspn(path + length + 2, "0123456789") + length + 3 == strlen(path))
		snprintf(ret_path, bytes, "[%.*s]", (int)length, path);
	else
		snprintf(ret_path, bytes, "%s", path);
}

/* @return the place of the first file whose path has that hash, 0 in it for none. */
static uint32_t *bucket_of(struct file_table *table, const char *path)
{
	uint32_t i = key_index_put(&table->paths, hash_text(path));

	table->first = report_grow(table->first, &table->first_capacity, (size_t)i + 1,
				   sizeof(*table->first));
	return &table->first[i];
}

static void update_file(struct io_file *known, const struct io_file *file)
{
	if (file->file_bytes > known->file_bytes)
		known->file_bytes = file->file_bytes;
	if (file->block_bytes)
		known->block_bytes = file->block_bytes;
	known->device = file->device;
	known->inode = file->inode;
	known->is_regular = file->is_regular;
	known->is_directory = file->is_directory;
}

uint32_t file_table_put(struct file_table *table, const struct io_file *file)
{
	struct io_file plain = *file;
	char path[8192];
	uint32_t *bucket, i;

	plain_path(path, sizeof(path), file->path);
	plain.path = path;
	bucket = bucket_of(table, path);
	for (i = *bucket; i; i = table->entries[i].next) {
		if (strcmp(table->entries[i].file.path, path))
			continue;
		update_file(&table->entries[i].file, file);
		return i;
	}
	return add_file(table, &plain, bucket);
}
