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
#include "options.h"
#include "sys.h"
#include "text.h"

#define BRIEF_NS 1000000000u
#define BRIEF_BYTES (64u << 20)
#define DEPTH_MAX 64

static bool has_traced_parent;

static bool has_pool(int pid)
{
	char path[64];

	text_format(path, sizeof(path), "/dev/shm/llmtrace-%u-%u.pool", (uint64_t)pid,
		    identity_start_ticks(pid));
	return SYS_CALL(faccessat, AT_FDCWD, path, 0, 0, 0, 0) == 0;
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
		if (has_pool(pid))
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
	       (!has_traced_parent && !has_pool(identity_get()->pid));
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
