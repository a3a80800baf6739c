/* SPDX-License-Identifier: MIT */
/* The question of trace_process.h, answered by /proc/PID/stat and the kernel's boot id. */
#include "trace_process.h"

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

/* Fields 3 (state) and 22 (start time), counted from behind the name: that may hold anything. */
static bool read_stat(uint32_t pid, char *ret_state, unsigned long long *ret_start_ticks)
{
	char path[32], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	at = strrchr(text, ')');
	return at && sscanf(at + 1,
			    " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			    ret_state, ret_start_ticks) == 2;
}

bool trace_process_is_alive(const struct lt_file_header *header)
{
	unsigned long long start_ticks;
	char state;

	return is_this_boot(header->boot_id) && read_stat(header->pid, &state, &start_ticks) &&
	       start_ticks == header->process_start_ticks && state != 'Z' && state != 'X';
}
