/* SPDX-License-Identifier: MIT */
/*
 * The process-wide table of call stacks and strings: the same bytes always get the same 32-bit id.
 * Entries lie in the pool (llmtrace/pool.h), so they survive the process. Any thread and signal
 * handlers: no lock, no system call, no allocation; when the table is full the answer is 0 until
 * the writer has made room.
 */
#ifndef LLMTRACE_INTERN_H
#define LLMTRACE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/pool.h"

/* @return the id of the bytes, 0 when there is no room. hash: of the bytes and the generation. */
uint32_t intern_bytes(enum lt_intern_type type, const void *bytes, uint32_t length,
		      uint32_t generation, uint64_t hash);

/* @return the id of the bytes when they are in the table, 0 when they are not. */
uint32_t intern_find(enum lt_intern_type type, const void *bytes, uint32_t length,
		     uint32_t generation, uint64_t hash);

/* @return the id of a terminated string (cut at 4095 bytes), 0 when there is no room. */
uint32_t intern_string(const char *text);

/* @return the id of length bytes as a string. */
uint32_t intern_text(const char *text, size_t length);

/* @return the entry of an id that intern_bytes returned. */
struct lt_intern_entry *intern_entry(uint32_t id);

/* The same for an id out of a record, which the target may have written over: NULL when it is none. */
struct lt_intern_entry *intern_entry_checked(uint32_t id);

/* Hash of length bytes. */
uint64_t intern_hash(const void *bytes, size_t length, uint64_t seed);

/* For the writer: visits every committed entry. */
void intern_for_each(void (*visit)(const struct lt_intern_entry *entry));

/*
 * For the writer: keeps a free arena and index in advance. @return false when memory could not be
 * had.
 */
bool intern_make_room(void);

#endif
