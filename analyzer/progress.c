/* SPDX-License-Identifier: MIT */
/*
 * The progress bar of progress.h: one line, redrawn in place with a carriage return. Appears after
 * a second, so that short work stays silent.
 */
#include "progress.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS 1000000000u
#define INTERVAL_NS 100000000u
#define BAR_WIDTH 30

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_init(struct progress *progress, FILE *out, const char *label)
{
	memset(progress, 0, sizeof(*progress));
	progress->label = label;
	if (out && isatty(fileno(out)))
		progress->out = out;
	progress->start_ns = now_ns();
	progress->next_ns = progress->start_ns + FIRST_NS;
}

static void draw(struct progress *progress, double part)
{
	char bar[BAR_WIDTH + 1];
	int filled = (int)(part * BAR_WIDTH);

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	fprintf(progress->out, "\r%s [%s] %3d%%", progress->label, bar, (int)(part * 100));
	fflush(progress->out);
	progress->is_shown = true;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
	uint64_t now;

	if (!progress->out)
		return;
	now = now_ns();
	if (now < progress->next_ns)
		return;
	progress->next_ns = now + INTERVAL_NS;
	draw(progress, total && done < total ? (double)done / (double)total : 1.0);
}

void progress_end(struct progress *progress)
{
	if (!progress->is_shown)
		return;
	fprintf(progress->out, "\r%*s\r", (int)strlen(progress->label) + BAR_WIDTH + 8, "");
	fflush(progress->out);
	progress->is_shown = false;
}
