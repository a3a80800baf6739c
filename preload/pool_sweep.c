/* SPDX-License-Identifier: MIT */
/*
 * Stale pools; see pool_sweep.h. Start-up of the first traced process of a tree, one thread. What
 * is in doubt stays: a pool may be the only copy of what a process recorded last.
 */
#include "pool_sweep.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "follow.h"
#include "identity.h"
#include "llmtrace/pool.h"
#include "sys.h"
#include "text.h"

#define ENTRIES_BYTES 4096
#define LOOKS_MAX 256 /* in one sweep */
#define PREFIX "llmtrace-"

/* The part of the header that the rule needs; extents and messages are left where they are. */
struct found {
	struct lt_pool_header header;
	struct stat stat;
	char path[LT_POOL_PATH_BYTES];
};

static bool read_found(struct found *found)
{
	size_t bytes = offsetof(struct lt_pool_header, extents);
	long fd = sys_open(found->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
	bool is_read;

	if (fd < 0)
		return false;
	is_read = sys_fstat((int)fd, &found->stat) == 0 && S_ISREG(found->stat.st_mode) &&
		  (size_t)found->stat.st_size >= sizeof(found->header) &&
		  sys_pread((int)fd, &found->header, bytes, 0) == (long)bytes;
	sys_close((int)fd);
	return is_read;
}

/* Of this user, this boot, and of a process that its number means here. */
static bool is_judgeable(const struct found *found)
{
	const struct lt_pool_header *header = &found->header;
	const struct identity *self = identity_get();

	return found->stat.st_uid == (uid_t)SYS_CALL(geteuid, 0, 0, 0, 0, 0, 0) &&
	       !memcmp(header->magic, LT_POOL_MAGIC, sizeof(header->magic)) &&
	       header->version == LT_POOL_VERSION && header->header_bytes == sizeof(*header) &&
	       !memcmp(header->boot_id, self->boot_id, sizeof(header->boot_id)) &&
	       header->pid_namespace && header->pid_namespace == self->pid_namespace;
}

static long stat_path(const char *path)
{
	struct stat stat;

	return SYS_CALL(newfstatat, AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW, 0, 0);
}

/* Not when its folder is away, too: a disk may come back. */
static bool is_trace_gone(struct found *found)
{
	struct lt_pool_header *header = &found->header;
	uint64_t newest_ns = header->clocks[header->clock_count % 2].ns;
	char *slash;

	header->trace_path[sizeof(header->trace_path) - 1] = '\0';
	if (!header->is_trace_path_real || header->trace_path[0] != '/' ||
	    clock_monotonic_ns() - newest_ns < LT_POOL_KEPT_NS ||
	    stat_path(header->trace_path) != -ENOENT)
		return false;
	slash = (char *)(uintptr_t)text_last(header->trace_path, '/');
	*slash = '\0';
	return stat_path(header->trace_path[0] ? header->trace_path : "/") == 0;
}

static bool is_stale(struct found *found)
{
	const struct lt_pool_header *header = &found->header;
	bool is_gone = identity_start_ticks((int)header->pid) != header->process_start_ticks;

	if (header->is_closed)
		return is_gone || !follow_has_writer((int)header->pid);
	return is_gone && is_trace_gone(found);
}

/*
 * The next program of a living process may make a pool of that name at this moment: the file is
 * taken aside first, and put back when it is not the one that was judged.
 */
static void take_away(const struct found *found)
{
	char aside[LT_POOL_PATH_BYTES + 16];
	struct stat stat;

	text_format(aside, sizeof(aside), "%s.%u", found->path, (uint64_t)sys_getpid());
	if (sys_rename(found->path, aside) < 0)
		return;
	if (SYS_CALL(newfstatat, AT_FDCWD, aside, &stat, AT_SYMLINK_NOFOLLOW, 0, 0) == 0 &&
	    stat.st_ino == found->stat.st_ino)
		sys_unlink(aside);
	else
		sys_rename(aside, found->path);
}

static void look_at(const char *name)
{
	static struct found found;
	size_t length = strlen(name);

	if (strncmp(name, PREFIX, strlen(PREFIX)) || length < 5 ||
	    strcmp(name + length - 5, ".pool"))
		return;
	text_format(found.path, sizeof(found.path), "%s/%s", LT_POOL_SHM_FOLDER, name);
	if (read_found(&found) && is_judgeable(&found) && is_stale(&found))
		take_away(&found);
}

void pool_sweep(void)
{
	static char entries[ENTRIES_BYTES] __attribute__((aligned(8)));
	long fd = sys_open(LT_POOL_SHM_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), got;
	int looks = 0;

	if (fd < 0)
		return;
	while (looks < LOOKS_MAX && (got = sys_getdents((int)fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < got; looks++) {
			const struct sys_dirent *entry = (const void *)(entries + at);

			look_at(entry->name);
			at += entry->length;
		}
	sys_close((int)fd);
}
