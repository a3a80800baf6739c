/* SPDX-License-Identifier: MIT */
/* The question of trace_process.h, answered by /proc/PID/stat and the kernel's boot id. */
#include "trace_process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

static bool read_text(const char *path, char *ret_text, size_t capacity)
{
	FILE *file = fopen(path, "re");
	size_t got;

	if (!file)
		return false;
	got = fread(ret_text, 1, capacity - 1, file);
	fclose(file);
	ret_text[got] = '\0';
	return got > 0;
}

static bool is_this_boot(const uint8_t *boot_id)
{
	char text[64], hex[3] = "";
	size_t at = 0, count = 0;

	if (!read_text(BOOT_ID_PATH, text, sizeof(text)))
		return false;
	while (text[at] && text[at + 1] && count < 16) {
		if (text[at] == '-') {
			at++;
			continue;
		}
		memcpy(hex, text + at, 2);
		if ((uint8_t)strtoul(hex, NULL, 16) != boot_id[count++])
			return false;
		at += 2;
	}
	return count == 16;
}

struct stat_fields {
	char state;			/* field 3 */
	long thread_count;		/* field 20 */
	unsigned long long start_ticks;	/* field 22 */
};

/* The fields are counted from behind the name: that may hold anything. */
static bool read_stat(uint32_t pid, struct stat_fields *ret_fields)
{
	char path[32], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	at = strrchr(text, ')');
	return at && sscanf(at + 1,
			    " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
			    " %ld %*s %llu",
			    &ret_fields->state, &ret_fields->thread_count,
			    &ret_fields->start_ticks) == 3;
}

/* The first thread of a process may have ended before the others. */
static bool is_dead(const struct stat_fields *fields)
{
	return (fields->state == 'Z' && fields->thread_count <= 1) || fields->state == 'X';
}

enum trace_process trace_process_look(const struct lt_file_header *header)
{
	struct stat_fields fields;

	if (!is_this_boot(header->boot_id))
		return TRACE_PROCESS_ELSEWHERE;
	if (!read_stat(header->pid, &fields) || fields.start_ticks != header->process_start_ticks ||
	    is_dead(&fields))
		return TRACE_PROCESS_GONE;
	return TRACE_PROCESS_ALIVE;
}
