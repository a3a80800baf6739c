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
};

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

#endif
