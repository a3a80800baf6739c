/* SPDX-License-Identifier: MIT */
/* Between privacy.c (marks, paths) and privacy_command.c (command lines); for nobody else. */
#ifndef LLMTRACE_PRIVACY_PARTS_H
#define LLMTRACE_PRIVACY_PARTS_H

#include "llmtrace/privacy.h"

/* Text that is cut at its end; end is the place of the terminator. */
struct lt_privacy_out {
	char *begin, *at, *end;
};

void lt_privacy_put(struct lt_privacy_out *out, const char *text, size_t length);
/* Terminates. @return the length. */
size_t lt_privacy_finish(struct lt_privacy_out *out);

uint64_t lt_privacy_hash(const uint64_t key[2], const char *text, size_t length);
size_t lt_privacy_mark(const uint64_t key[2], const char *text, size_t length, char *out);

/*
 * Finds the next user name at or behind from. is_text: paths stand in it somewhere, and a name ends
 * at a blank or a quote, too.
 */
bool lt_privacy_next_name(const struct lt_privacy *privacy, const char *text, size_t length,
			  bool is_text, size_t from, size_t *ret_begin, size_t *ret_end);

/* Writes a text with its user names replaced. */
void lt_privacy_put_text(const struct lt_privacy *privacy, const char *text, size_t length,
			 bool is_text, struct lt_privacy_out *out);

#endif
