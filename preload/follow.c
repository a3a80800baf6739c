/* SPDX-License-Identifier: MIT */
/*
 * Which processes of a tree are traced; see follow.h. A process that is traced has a pool in
 * /dev/shm that tells so.
 */
#include "follow.h"

#include <string.h>
#include <sys/auxv.h>

#include "clock.h"
#include "identity.h"
#include "llmtrace/pool.h"
#include "options.h"
#include "sys.h"
#include "text.h"
#include "writer.h"

#define BRIEF_NS 1000000000u
#define BRIEF_BYTES (64u << 20)
#define DEPTH_MAX 64
#define TASK_BYTES 1024 /* some twenty threads */

static bool has_traced_parent;
static char parent_pool[LT_POOL_PATH_BYTES];

bool follow_is_trusted(const struct stat *file)
{
	return S_ISREG(file->st_mode) &&
	       file->st_uid == (uid_t)SYS_CALL(geteuid, 0, 0, 0, 0, 0, 0);
}

/* ret_path: of LT_POOL_PATH_BYTES, or NULL. */
static bool has_pool(int pid, char *ret_path)
{
	char path[LT_POOL_PATH_BYTES];
	struct stat stat;

	text_format(path, sizeof(path), LT_POOL_SHM_FORMAT, (uint64_t)pid,
		    identity_start_ticks(pid));
	if (SYS_CALL(newfstatat, AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW, 0, 0) < 0 ||
	    !follow_is_trusted(&stat))
		return false;
	if (ret_path)
		text_copy(ret_path, LT_POOL_PATH_BYTES, path);
	return true;
}

static bool is_writer(int pid, const char *tid)
{
	char path[96], comm[32];

	text_format(path, sizeof(path), "/proc/%u/task/%s/comm", (uint64_t)pid, tid);
	return text_read_file(path, comm, sizeof(comm)) > 0 && text_has_prefix(comm, WRITER_NAME, NULL);
}

/*
 * Where /dev/shm has no room the pool lies elsewhere: then the writer tells, one of the first
 * threads that a traced process has.
 */
bool follow_has_writer(int pid)
{
	char entries[TASK_BYTES] __attribute__((aligned(8)));
	char path[64];
	bool is_found = false;
	long fd, got;

	text_format(path, sizeof(path), "/proc/%u/task", (uint64_t)pid);
	fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	got = sys_getdents((int)fd, entries, sizeof(entries));
	sys_close((int)fd);
	for (long at = 0; at < got && !is_found;) {
		const struct sys_dirent *entry = (const void *)(entries + at);

		is_found = entry->name[0] != '.' && is_writer(pid, entry->name);
		at += entry->length;
	}
	return is_found;
}

/* Field 4 of /proc/PID/stat; 0 when it cannot be read. */
static int parent_of(int pid)
{
	char path[64], line[1024];
	const char *word;

	text_format(path, sizeof(path), "/proc/%u/stat", (uint64_t)pid);
	if (text_read_file(path, line, sizeof(line)) <= 0)
		return 0;
	word = text_last(line, ')');
	for (int field = 2; word && field < 4; field++)
		word = text_next_word(word);
	return word ? (int)text_number(word, 10) : 0;
}

static bool find_traced_parent(void)
{
	int pid = parent_of(identity_get()->pid);

	for (int depth = 0; depth < DEPTH_MAX && pid > 1; depth++) {
		if (has_pool(pid, parent_pool) || follow_has_writer(pid))
			return true;
		pid = parent_of(pid);
	}
	return false;
}

bool follow_wants_this(void)
{
	if (getauxval(AT_SECURE))
		return false;
	has_traced_parent = find_traced_parent();
	return strcmp(options_get()->follow, "0") ||
	       (!has_traced_parent && !has_pool(identity_get()->pid, NULL));
}

bool follow_is_brief(uint64_t start_ns)
{
	struct rusage usage;

	if (!strcmp(options_get()->follow, "1") || clock_monotonic_ns() - start_ns >= BRIEF_NS)
		return false;
	return sys_getrusage(RUSAGE_SELF, &usage) == 0 &&
	       (uint64_t)usage.ru_maxrss << 10 < BRIEF_BYTES;
}

bool follow_has_traced_parent(void)
{
	return has_traced_parent;
}

const char *follow_parent_pool(void)
{
	return parent_pool;
}

void follow_set_parent(const char *pool_path)
{
	has_traced_parent = true;
	text_copy(parent_pool, sizeof(parent_pool), pool_path);
}
