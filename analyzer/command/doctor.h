/* SPDX-License-Identifier: MIT */
/*
 * The command `doctor`: what can be seen on this machine, what cannot, and the remedy. One check is
 * one row of doctor_checks.def and one function, which tries the thing itself wherever that is
 * possible, and leaves nothing behind.
 */
#ifndef LLMTRACE_DOCTOR_H
#define LLMTRACE_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_NOTE, /* all is seen; something to know */
	DOCTOR_NONE, /* there is nothing of the kind here */
	DOCTOR_PARTLY,
	DOCTOR_NO,
};

struct doctor_answer {
	enum doctor_state state;
	char found[512];  /* what was tried, and what came of it */
	char remedy[512]; /* the exact command; "" when there is nothing to do */
};

/* Fills an answer; found follows printf. */
void doctor_say(struct doctor_answer *answer, enum doctor_state state, const char *found, ...)
	__attribute__((format(printf, 3, 4)));
void doctor_remedy(struct doctor_answer *answer, const char *remedy, ...)
	__attribute__((format(printf, 2, 3)));

/* Reads a small file into a line without its line feed. @return false when it cannot be read. */
bool doctor_read(const char *path, char *buffer, size_t bytes);

/* @return the number behind "key" at the start of a line of /proc/self/status, -1 without one. */
long doctor_status_number(const char *key);

#define DOCTOR_CHECK(id, subject, function) void function(struct doctor_answer *answer);
#include "doctor_checks.def"
#undef DOCTOR_CHECK

/* @return 0 when everything can be seen, 1 when something cannot, 2 for wrong use. */
int doctor_run(int argc, char **argv);

#endif
