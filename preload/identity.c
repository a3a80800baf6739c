/* SPDX-License-Identifier: MIT */
/* Which process this is; see identity.h. Reads /proc with direct system calls. */
#include "identity.h"

#include "sys.h"
#include "text.h"

static struct identity identity;

const struct identity *identity_get(void)
{
	return &identity;
}

static uint64_t read_start_ticks(const char *path)
{
	char text[1024];
	const char *at;

	if (text_read_file(path, text, sizeof(text)) <= 0)
		return 0;
	/* the name in parentheses may hold anything: field 3 starts behind the last one */
	at = text_last(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = text_next_word(at);
	return at ? text_number(at, 10) : 0;
}

uint64_t identity_start_ticks(int pid)
{
	char path[64];

	text_format(path, sizeof(path), "/proc/%u/stat", (uint64_t)pid);
	return read_start_ticks(path);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_boot_id(void)
{
	char text[64];
	unsigned digits = 0;

	if (text_read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text)) <= 0)
		return;
	for (const char *at = text; *at && digits < 32; at++) {
		int value = hex_value(*at);

		if (value >= 0) {
			identity.boot_id[digits / 2] |= (uint8_t)(value << (digits % 2 ? 0 : 4));
			digits++;
		}
	}
}

static void read_pid_namespace(void)
{
	struct stat stat;

	if (SYS_CALL(newfstatat, AT_FDCWD, "/proc/self/ns/pid", &stat, 0, 0, 0) == 0)
		identity.pid_namespace = stat.st_ino;
}

/* A line of the file reads: monotonic SECONDS NANOSECONDS, the seconds signed. */
static void read_time_namespace(void)
{
	char text[256];
	const char *at;
	bool is_negative;
	int64_t seconds;

	if (text_read_file("/proc/self/timens_offsets", text, sizeof(text)) <= 0)
		return;
	at = text_next_word(text);
	if (!at)
		return;
	is_negative = *at == '-';
	seconds = (int64_t)text_number(at + is_negative, 10);
	at = text_next_word(at);
	identity.time_namespace_ns = (is_negative ? -seconds : seconds) * 1000000000 +
				     (at ? (int64_t)text_number(at, 10) : 0);
}

void identity_init(void)
{
	identity = (struct identity){0};
	identity.pid = sys_getpid();
	identity.parent_pid = (int)SYS_CALL(getppid, 0, 0, 0, 0, 0, 0);
	/* in a new pid namespace, before its own /proc is mounted, our number is another's there */
	identity.start_ticks = read_start_ticks("/proc/self/stat");
	read_boot_id();
	read_pid_namespace();
	read_time_namespace();
}
