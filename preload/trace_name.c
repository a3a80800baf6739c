/* SPDX-License-Identifier: MIT */
/* The name of the trace file; see trace_name.h. Runs at start, before any other thread. */
#include "trace_name.h"

#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>

#include "follow.h"
#include "identity.h"
#include "llmtrace/format.h"
#include "sys.h"
#include "text.h"

static void append_program(char *buffer, size_t bytes, size_t *at)
{
	char exe[LT_PATH_BYTES];
	long length = sys_readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	const char *name;

	exe[length > 0 ? length : 0] = '\0';
	name = text_last(exe, '/');
	*at += text_copy(buffer + *at, bytes - *at, name ? name + 1 : "program");
}

static void append_host(char *buffer, size_t bytes, size_t *at)
{
	struct utsname names;

	if (SYS_CALL(uname, &names, 0, 0, 0, 0, 0) == 0)
		*at += text_copy(buffer + *at, bytes - *at, names.nodename);
}

static void append_folder(char *buffer, size_t bytes, size_t *at)
{
	long length = SYS_CALL(getcwd, buffer, bytes - 1, 0, 0, 0, 0);

	if (length <= 1)
		return;
	*at = (size_t)length - 1; /* the kernel counts the terminator */
	if (buffer[*at - 1] != '/')
		buffer[(*at)++] = '/';
	buffer[*at] = '\0';
}

void trace_name_expand(const char *pattern, char *buffer, size_t bytes)
{
	size_t at = 0;

	buffer[0] = '\0';
	if (pattern[0] != '/')
		append_folder(buffer, bytes, &at);
	for (; *pattern && at + 1 < bytes; pattern++) {
		if (*pattern != '%') {
			buffer[at++] = *pattern;
			buffer[at] = '\0';
			continue;
		}
		switch (*++pattern) {
		case 'p':
			at += text_format(buffer + at, bytes - at, "%u",
					  (uint64_t)identity_get()->pid);
			break;
		case 'x':
			append_program(buffer, bytes, &at);
			break;
		case 'h':
			append_host(buffer, bytes, &at);
			break;
		case '%':
			at += text_copy(buffer + at, bytes - at, "%");
			break;
		default: /* not one of ours: it stays as it is */
			at += text_copy(buffer + at, bytes - at, "%");
			pattern--;
		}
	}
}

enum owner {
	OWNER_NONE, /* not a trace, or its process is gone */
	OWNER_LIVING,
	OWNER_SELF, /* this very process, before an exec */
};

/* Who writes the trace at path; for traces, *ret_start_ns tells when it began. */
static enum owner find_owner(const char *path, uint64_t *ret_start_ns)
{
	struct {
		struct lt_frame_header frame;
		struct lt_file_header file;
	} __attribute__((packed)) head;
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	const struct identity *self = identity_get();
	long got;

	if (fd < 0)
		return OWNER_NONE;
	got = sys_read((int)fd, &head, sizeof(head));
	sys_close((int)fd);
	if (got != sizeof(head) || head.frame.magic != LT_FRAME_FILE ||
	    memcmp(head.file.magic, LT_FILE_MAGIC, sizeof(head.file.magic)) ||
	    memcmp(head.file.boot_id, self->boot_id, sizeof(self->boot_id)) ||
	    !head.file.process_start_ticks ||
	    identity_start_ticks((int)head.file.pid) != head.file.process_start_ticks)
		return OWNER_NONE;
	*ret_start_ns = head.file.start_ns;
	return (int)head.file.pid == self->pid ? OWNER_SELF : OWNER_LIVING;
}

static bool exists(const char *path)
{
	struct stat stat;

	return SYS_CALL(newfstatat, AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW, 0, 0) == 0;
}

/*
 * Whether the file at path is an older trace, or empty. Anything else that has the name by mistake,
 * a model or /dev/null, stays where it is: making the trace fails then.
 */
static bool is_replaceable(const char *path)
{
	struct lt_frame_header frame = {0, 0};
	struct stat stat;
	long fd;

	if (SYS_CALL(newfstatat, AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW, 0, 0) < 0 ||
	    !S_ISREG(stat.st_mode))
		return false;
	fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return false;
	sys_read((int)fd, &frame, sizeof(frame));
	sys_close((int)fd);
	return stat.st_size == 0 || frame.magic == LT_FRAME_FILE;
}

/* dir/name.zst and a suffix: dir/nameSUFFIX.zst */
static void with_suffix(const char *name, const char *suffix, char *buffer, size_t bytes)
{
	const char *slash = text_last(name, '/');
	const char *dot = text_last(slash ? slash : name, '.');
	size_t stem = dot ? (size_t)(dot - name) : strlen(name);

	if (stem >= bytes)
		stem = bytes - 1;
	memcpy(buffer, name, stem);
	buffer[stem] = '\0';
	text_format(buffer + stem, bytes - stem, "%s%s", suffix, dot ? dot : "");
}

/*
 * Whether the name is taken by a trace that must stay. A wrapper that became this program at once
 * leaves its name to it.
 */
static bool is_taken(const char *path)
{
	uint64_t start_ns;
	enum owner owner = exists(path) ? find_owner(path, &start_ns) : OWNER_NONE;

	if (owner == OWNER_SELF && follow_is_brief(start_ns)) {
		sys_unlink(path);
		return false;
	}
	return owner != OWNER_NONE;
}

void trace_name_make_free(char *buffer, size_t bytes)
{
	char name[LT_PATH_BYTES], old[LT_PATH_BYTES + 8], suffix[64];

	text_copy(name, sizeof(name), buffer);
	for (uint64_t number = 1; is_taken(buffer); number++) {
		if (number == 1)
			text_format(suffix, sizeof(suffix), "-%u", (uint64_t)identity_get()->pid);
		else
			text_format(suffix, sizeof(suffix), "-%u-%u", (uint64_t)identity_get()->pid,
				    number);
		with_suffix(name, suffix, buffer, bytes);
	}
	if (!is_replaceable(buffer))
		return;
	text_format(old, sizeof(old), "%s.old", buffer);
	sys_rename(buffer, old);
}
