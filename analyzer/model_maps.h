/* SPDX-License-Identifier: MIT */
/*
 * The mappings of the process over time: what lies at an address, and what the calls on it cost.
 * Ranges belong to groups: a group is one label (file, or kind of anonymous memory) and one call
 * stack. Mappings that no hook sees (made inside libc and the loader) are known from the lines of
 * /proc/self/maps. One thread.
 */
#ifndef LLMTRACE_MODEL_MAPS_H
#define LLMTRACE_MODEL_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intervals.h"
#include "llmtrace/events.h"
#include "report_hash.h"

enum map_label {
	MAP_LABEL_ANONYMOUS,		/* mapped through a call, without a file */
	MAP_LABEL_FILE,			/* label is a file of the descriptor model */
	MAP_LABEL_SEEN,			/* label is a string; known from /proc/self/maps alone */
	MAP_LABEL_SEEN_ANONYMOUS,
	MAP_LABEL_BLOCK,		/* large blocks of the heap, by the stack of their malloc */
	MAP_LABEL_UNKNOWN,		/* a page fault was there; nothing else is known so far */
};

/* Bits of map_group.advice above the MADV_ values 0..31. */
enum map_advice {
	MAP_ADVICE_MLOCK = 32, MAP_ADVICE_MUNLOCK, MAP_ADVICE_MSYNC, MAP_ADVICE_OTHER,
};

struct map_group {
	enum map_label label_kind;
	uint32_t label;
	uint32_t stack;
	uint64_t map_count, failed_count;
	uint64_t length_bytes;		/* of all mappings made */
	uint64_t live_bytes;		/* mapped now */
	uint64_t locked_bytes;		/* of successful mlock calls */
	uint64_t call_ns, advise_ns, unmap_ns;
	uint64_t call_minor_count, call_major_count;	/* faults inside those calls */
	uint32_t prot, flags;		/* of the newest mapping */
	bool has_flags;
	uint64_t advice;		/* bits: MADV_ values, enum map_advice */
	uint64_t unknown_addr;		/* of MAP_LABEL_UNKNOWN: where its first fault was */
	uint32_t resolved;		/* likewise: the group that it turned out to be + 1, or 0 */
};

/* What lies at an address now, and how far it goes. */
struct map_place {
	uint32_t group;
	uint64_t begin, end;
	uint64_t shift;			/* address + shift is the offset in the file */
};

#define MAP_FILTER_BITS 4096u

/* mlock and mlockall calls that were refused. */
struct lock_failures {
	uint64_t count, bytes;
	uint32_t error, stack;		/* of the first one */
};

struct map_model {
	struct interval_map ranges;	/* value: index of the group */
	struct map_group *groups;
	size_t group_count, group_capacity;
	struct key_index group_keys;	/* label and stack > index of the group */
	struct stream_remap *remaps;	/* by stream */
	uint64_t snapshot_end;		/* where the last line of /proc/self/maps ended */
	struct lock_failures lock_failures;
	uint64_t lock_count;
	struct interval_map unknowns;	/* value: a group of MAP_LABEL_UNKNOWN */
	uint32_t unknown_count;
	struct interval_map blocks;	/* large ones of the heap; value: index of the group */
	uint64_t block_filter[MAP_FILTER_BITS / 64];	/* pages that one has begun in, hashed */
};

void map_model_init(struct map_model *model, uint32_t stream_limit);
void map_model_release(struct map_model *model);

/*
 * Applies a record of kind map, unmap, remap_begin, remap_end, protect, advise or map_seen.
 * file: for map, the file behind its descriptor. is_counted: false outside the phase that is looked
 * at: ranges change then and counters do not.
 */
void map_model_apply(struct map_model *model, const struct lt_record *record, uint32_t stream,
		     uint32_t file, bool is_counted);

/* Blocks of the heap that libc may have mapped for itself; others are not told. */
#define MAP_BLOCK_BYTES (128u << 10)
void map_model_add_block(struct map_model *model, uint64_t addr, uint64_t bytes, uint32_t stack);
/* Any block may be told. */
void map_model_remove_block(struct map_model *model, uint64_t addr);

/*
 * Looks an address up. Where nothing is known (the heap and stacks grow without a call, libc maps
 * by itself) it gets a group of its own, which the next reading of /proc/self/maps may resolve.
 */
struct map_place map_model_place(struct map_model *model, uint64_t addr);

/* @return the group that a group turned out to be: most are themselves. */
uint32_t map_model_resolved(const struct map_model *model, uint32_t group);

#endif
