/* SPDX-License-Identifier: MIT */
/*
 * Text of the target that goes to a terminal, a browser or a spreadsheet: names of threads, files
 * and functions may hold anything, escape sequences too. Nothing that such a text holds may move
 * the cursor, change colours, or turn the direction of writing. Any thread.
 */
#ifndef LLMTRACE_ANALYZER_PLAIN_TEXT_H
#define LLMTRACE_ANALYZER_PLAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Looks at the first character of a text that is not empty.
 * ret_is_plain: false for control characters, for those that turn the direction of writing or end a
 * line, and for bytes that are not UTF-8.
 * @return its bytes, from 1 to 4.
 */
size_t plain_next(const char *text, bool *ret_is_plain);

/* @return whether all characters are plain. */
bool plain_is(const char *text);

/* @return a copy to free in which what is not UTF-8 is U+FFFD, NULL when memory is short. */
char *plain_utf8(const char *text);

#endif
