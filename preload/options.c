/* SPDX-License-Identifier: MIT */
/* The options; see options.h. Start-up only. */
#include "options.h"

#include <signal.h>
#include <string.h>

#include "hook.h"
#include "sys.h"
#include "text.h"

static struct options options = {
#define LT_OPTION(field, variable, value, help) .field = value,
#include "llmtrace/options.def"
#undef LT_OPTION
};

const struct options *options_get(void)
{
	return &options;
}

static const struct {
	const char *name;
	uint32_t group;
} groups[] = {
	{"heap", LT_GROUP_heap},
	{"maps", LT_GROUP_maps},
	{"threads", LT_GROUP_threads},
	{"files", LT_GROUP_files},
	{"phases", LT_GROUP_phases},
	{"faults", LT_GROUP_faults},
	{"gpu", LT_GROUP_gpu},
	{"system", LT_GROUP_system},
	{"all",
	 LT_GROUP_heap | LT_GROUP_maps | LT_GROUP_threads | LT_GROUP_files | LT_GROUP_phases |
		 LT_GROUP_faults},
};

/* @return the bits of one name of the list, 0 for one that is not known. */
static uint32_t group_bits(const char *name, size_t length)
{
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strlen(groups[i].name) == length && !memcmp(groups[i].name, name, length))
			return groups[i].group;
	return 0;
}

static void parse_events(void)
{
	const char *at = options.events;

	options.groups = LT_GROUP_system;
	while (*at) {
		size_t length = strcspn(at, ",");
		uint32_t bits = group_bits(at, length);

		if (!bits)
			options.mistake = "LLMTRACE_EVENTS";
		options.groups |= bits;
		at += length + (at[length] == ',');
	}
	if (options.mistake)
		options.groups = LT_GROUP_system | group_bits("all", 3);
}

static void parse_stacks(void)
{
	bool is_number = options.stacks[0] >= '0' && options.stacks[0] <= '9';

	if (!is_number)
		options.mistake = "LLMTRACE_STACKS";
	options.stack_depth = is_number ? (unsigned)text_number(options.stacks, 10) : 64;
	if (options.stack_depth < 1)
		options.stack_depth = 1;
	if (options.stack_depth > LT_STACK_MAX_DEPTH)
		options.stack_depth = LT_STACK_MAX_DEPTH;
}

#define BOUND_MIN_BYTES ((uint64_t)1 << 20)
#define BOUND_MAX_BYTES ((uint64_t)1 << 40)

/* A number of bytes, with K, M or G behind it. @return 0 for anything else. */
static uint64_t parse_bytes(const char *value)
{
	static const char suffixes[] = "KMG";
	uint64_t bytes = text_number(value, 10);
	const char *suffix;
	size_t digits = 0;

	while (value[digits] >= '0' && value[digits] <= '9')
		digits++;
	if (!digits || digits > 13)
		return 0;
	value += digits;
	if (!*value)
		return bytes;
	suffix = strchr(suffixes, *value & ~0x20);
	if (!suffix || value[1] || bytes > BOUND_MAX_BYTES)
		return 0;
	return bytes << 10 * (suffix - suffixes + 1);
}

static void parse_bound(void)
{
	if (!options.max_bytes[0])
		return;
	options.bound_bytes = parse_bytes(options.max_bytes);
	if (options.bound_bytes < BOUND_MIN_BYTES || options.bound_bytes > BOUND_MAX_BYTES) {
		options.mistake = "LLMTRACE_MAX_BYTES";
		options.bound_bytes = 0;
	}
}

/* In the order of enum fault_method. */
static void parse_faults(void)
{
	static const char *const names[] = {"cpu", "thread", "counters", "none"};

	options.fault_method = -1;
	if (!strcmp(options.faults, "auto"))
		return;
	for (int i = 0; i < 4; i++)
		if (!strcmp(options.faults, names[i]))
			options.fault_method = i;
	if (options.fault_method < 0)
		options.mistake = "LLMTRACE_FAULTS";
}

#define FAULT_PAGES_MAX 4096u

static void parse_fault_pages(void)
{
	uint64_t pages = text_number(options.fault_pages, 10);

	if (!options.fault_pages[0])
		return;
	if (!pages || pages > FAULT_PAGES_MAX || pages & (pages - 1))
		options.mistake = "LLMTRACE_FAULT_PAGES";
	else
		options.fault_page_count = (unsigned)pages;
}

/* A name with or without SIG, or a number; signals that cannot be caught are a mistake. */
static int signal_number(const char *name)
{
	uint64_t number = text_number(name, 10);

	text_has_prefix(name, "SIG", &name);
	if (!strcmp(name, "USR1"))
		return SIGUSR1;
	if (!strcmp(name, "USR2"))
		return SIGUSR2;
	return number < 1 || number > 64 || number == SIGKILL || number == SIGSTOP ? 0
										   : (int)number;
}

static void parse_control(void)
{
	if (strcmp(options.start, "on") && strcmp(options.start, "off"))
		options.mistake = "LLMTRACE_START";
	if (!options.signal[0])
		return;
	options.signal_number = signal_number(options.signal);
	if (!options.signal_number)
		options.mistake = "LLMTRACE_SIGNAL";
}

void options_init(char **envp)
{
	for (; envp && *envp; envp++) {
		const char *value;

#define LT_OPTION(field, variable, standard, help)                                                 \
	if (text_has_prefix(*envp, variable "=", &value) && *value)                                \
		options.field = value;
#include "llmtrace/options.def"
#undef LT_OPTION
	}
	parse_events();
	parse_stacks();
	parse_bound();
	parse_control();
	parse_faults();
	parse_fault_pages();
	if (strcmp(options.follow, "auto") && strcmp(options.follow, "0") &&
	    strcmp(options.follow, "1"))
		options.mistake = "LLMTRACE_FOLLOW";
	if (strcmp(options.privacy, "on") && strcmp(options.privacy, "off"))
		options.mistake = "LLMTRACE_PRIVACY";
}

void options_say(const char *format, const char *a, const char *b)
{
	char line[LT_PATH_BYTES + 256];
	size_t length = text_copy(line, sizeof(line), "llmtrace: ");
	long fd = 2;

	length += text_format(line + length, sizeof(line) - length - 1, format, a, b);
	line[length++] = '\n';
	if (options.log[0]) {
		fd = sys_open(options.log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			      0600);
		if (fd < 0)
			fd = 2;
	}
	sys_write((int)fd, line, length);
	if (fd != 2)
		sys_close((int)fd);
}
