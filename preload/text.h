/* SPDX-License-Identifier: MIT */
/*
 * Text without stdio: formatting, small files, parsing. Any thread, signal handlers; never
 * allocates, never touches errno.
 */
#ifndef LLMTRACE_TEXT_H
#define LLMTRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies a terminated string, cut to what fits. @return its length in the buffer. */
size_t text_copy(char *buffer, size_t bytes, const char *text);

/*
 * Formats with %s (string), %u (uint64_t), %x (uint64_t, hexadecimal), %%; cut to what fits, always
 * terminated. Every %u and %x takes a uint64_t. @return the length in the buffer.
 */
size_t text_format(char *buffer, size_t bytes, const char *format, ...);

/* Reads a file into a buffer and terminates it. @return bytes read, or -errno. */
long text_read_file(const char *path, char *buffer, size_t bytes);

/*
 * @return the number that a text starts with, after blanks; 0 when there is none. base: 10 or 16.
 */
uint64_t text_number(const char *text, unsigned base);

/* @return the word after the one that text points into, NULL when the text ends before it. */
const char *text_next_word(const char *text);

/* @return the last place of a character, NULL for none. */
const char *text_last(const char *text, char c);

/* Whether text starts with prefix; then *ret_rest (if given) points behind it. */
bool text_has_prefix(const char *text, const char *prefix, const char **ret_rest);

/*
 * @return the number behind "key" at the start of a line, as in /proc/self/status and
 * /proc/self/io; false when there is none.
 */
bool text_find_number(const char *text, const char *key, uint64_t *ret_number);

#endif
