/* SPDX-License-Identifier: MIT */
/* See shim.h. */
#include "shim.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool shim_find(char *buffer, size_t bytes)
{
	static const char *const places[] = {"", "../lib/llmtrace/"};
	char exe[PATH_MAX], place[PATH_MAX * 2];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	exe[length > 0 ? length : 0] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	slash[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char real[PATH_MAX];

		snprintf(place, sizeof(place), "%s%slibllmtrace.so", exe, places[i]);
		if (!realpath(place, real) || strlen(real) >= bytes)
			continue;
		strcpy(buffer, real);
		return true;
	}
	return false;
}
