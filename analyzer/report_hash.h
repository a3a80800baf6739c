/* SPDX-License-Identifier: MIT */
/*
 * A hash from 64-bit keys to dense indices 0, 1, 2, ... in the order in which keys come. The caller
 * keeps what belongs to an index in an array of its own. One thread.
 */
#ifndef LLMTRACE_REPORT_HASH_H
#define LLMTRACE_REPORT_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_INDEX_NONE UINT32_MAX

struct key_slot {
	uint64_t key;
	uint32_t index_plus_one;	/* 0: free */
};

/* Zeroed memory is an empty hash. */
struct key_index {
	struct key_slot *slots;
	size_t slot_count;		/* a power of two */
	uint32_t count;
};

/* @return the index of the key; a new one gets the next index. */
uint32_t key_index_put(struct key_index *index, uint64_t key);
/* @return the index of the key, KEY_INDEX_NONE when it never came. */
uint32_t key_index_find(const struct key_index *index, uint64_t key);
void key_index_release(struct key_index *index);

#endif
