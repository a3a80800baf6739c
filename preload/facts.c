/* SPDX-License-Identifier: MIT */
/* Facts about the run; see facts.h. The keys are listed in FORMAT.md. */
#include "facts.h"

#include <gnu/libc-version.h>
#include <string.h>
#include <sys/utsname.h>

#include "clock.h"
#include "definitions.h"
#include "llmtrace/version.h"
#include "options.h"
#include "pool.h"
#include "privacy.h"
#include "stack.h"
#include "sys.h"
#include "text.h"

static char text[65536], replaced[65536];

static void add(const char *key, const char *value)
{
	definitions_meta(key, value, strlen(value));
}

static void add_number(const char *key, uint64_t value)
{
	char digits[32];

	text_format(digits, sizeof(digits), "%u", value);
	add(key, digits);
}

static void add_link(const char *key, const char *path)
{
	long length = sys_readlink(path, text, sizeof(text));

	if (length > 0)
		definitions_meta(key, replaced,
				 privacy_path(text, (size_t)length, replaced, sizeof(replaced)));
}

static void add_command(void)
{
	long length = text_read_file("/proc/self/cmdline", text, sizeof(text));

	while (length > 0 && text[length - 1] == '\0')
		length--;
	if (length > 0)
		definitions_meta("command", replaced,
				 privacy_command(text, (size_t)length, replaced, sizeof(replaced)));
}

static void add_file(const char *key, const char *path)
{
	long length = text_read_file(path, text, sizeof(text));

	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > 0)
		definitions_meta(key, text, (size_t)length);
}

static void add_cpu(void)
{
	const char *model, *end;

	if (text_read_file("/proc/cpuinfo", text, sizeof(text)) > 0) {
		model = strstr(text, "model name");
		model = model ? strchr(model, ':') : NULL;
		end = model ? strchr(model, '\n') : NULL;
		if (end && end > model + 2)
			definitions_meta("cpu_model", model + 2, (size_t)(end - model - 2));
	}
}

/* CPUs that the process may use. */
static void add_cpu_count(void)
{
	uint64_t mask[128] = {0}, count = 0;
	long bytes = SYS_CALL(sched_getaffinity, 0, sizeof(mask), mask, 0, 0, 0);

	for (long i = 0; i < bytes / 8; i++)
		count += (uint64_t)__builtin_popcountll(mask[i]);
	add_number("cpu_count", count);
}

static void add_names(void)
{
	struct utsname names;

	if (SYS_CALL(uname, &names, 0, 0, 0, 0, 0) < 0)
		return;
	add("host", names.nodename);
	add("kernel", names.release);
}

void facts_add(void)
{
	struct rlimit limit;
	uint64_t kilobytes;

	add("llmtrace_version", LLMTRACE_VERSION);
	add("privacy", strcmp(options_get()->privacy, "off") ? "on" : "off");
	add_command();
	add_link("exe", "/proc/self/exe");
	add_link("cwd", "/proc/self/cwd");
	add_names();
	add_cpu();
	add_cpu_count();
	if (text_read_file("/proc/meminfo", text, sizeof(text)) > 0 &&
	    text_find_number(text, "MemTotal:", &kilobytes))
		add_number("memory_bytes", kilobytes << 10);
	add_number("page_bytes", 4096);
	add_file("transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled");
	add("libc", gnu_get_libc_version());
	if (SYS_CALL(prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit, 0, 0) == 0)
		add_number("memlock_limit_bytes", limit.rlim_cur);
}

void facts_add_recording(void)
{
	add("clock",
	    clock_is_ticking ? "tsc" : "clock_gettime: the time stamp counter is not steady");
	add("stack_method", stack_method());
	privacy_path(pool_path(), strlen(pool_path()), replaced, sizeof(replaced));
	add("pool_place", replaced[0] ? replaced : "memory: no file system had room");
}

void facts_add_forked(int parent_pid)
{
	add_number("forked_from", (uint64_t)parent_pid);
}
