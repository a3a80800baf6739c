/* SPDX-License-Identifier: MIT */
/*
 * Hashing with numbers that are drawn for each process: keys come from a file, and with constants a
 * file of a few KB could put all of them into one place of a table. Nothing that is printed may
 * depend on the order in a table. Any thread.
 */
#ifndef LLMTRACE_ANALYZER_HASH_MIX_H
#define LLMTRACE_ANALYZER_HASH_MIX_H

#include <stddef.h>
#include <stdint.h>

/* Odd; drawn before main. */
extern uint64_t hash_odd[2];

/* The upper bits are the good ones: each depends on all bits of the key. */
static inline uint64_t hash_mix(uint64_t key)
{
	return key * hash_odd[0];
}

static inline uint64_t hash_mix_two(uint64_t key, uint64_t other)
{
	return key * hash_odd[0] + other * hash_odd[1];
}

/* FNV-1a from a begin that nobody knows. */
static inline uint64_t hash_text(const char *text)
{
	uint64_t hash = hash_odd[1];

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211ull;
	return hash;
}

/* @return a place in a table of `count`, at most 2^32, from the upper bits of a mixed key. */
static inline size_t hash_place(uint64_t mixed, size_t count)
{
	return (size_t)((mixed >> 32) * count >> 32);
}

#endif
