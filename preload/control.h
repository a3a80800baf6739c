/* SPDX-License-Identifier: MIT */
/*
 * Start and stop of recording while the process runs: by `llmtrace ctl` through the control page
 * (llmtrace/control.h), by a signal when LLMTRACE_SIGNAL names one, and LLMTRACE_START=off. While
 * recording is off only what tells how the process goes on (exec, fork, its end) is recorded.
 */
#ifndef LLMTRACE_CONTROL_PAGE_H
#define LLMTRACE_CONTROL_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/pool.h"

/* Makes the control page. ring: the writer's own. Start-up, before the writer runs. */
void control_init(struct lt_ring *ring);

/* Records that recording does not begin by itself. Start-up, when strings can be kept. */
void control_note_start(void);

/* Installs the handler when one is asked for. Start-up of the first program alone. */
void control_install_signal(void);

/* The groups to begin with: enum lt_group bits. */
uint32_t control_first_groups(void);

/*
 * Does what was asked for, if anything. @return whether something was: then everything must be
 * written, and control_answer called. The writer alone, like all below.
 */
bool control_take(void);
void control_answer(void);

bool control_is_stopped(void);

/* The mark that is open ends and begins again: a segment may lose its begin. */
void control_repeat_mark(void);

#endif
