/* SPDX-License-Identifier: MIT */
/* Which extents of a pool may be looked at: nothing in a pool is trusted. Any thread. */
#ifndef LLMTRACE_ANALYZER_POOL_EXTENTS_H
#define LLMTRACE_ANALYZER_POOL_EXTENTS_H

#include <stdint.h>

#include "llmtrace/pool.h"

/*
 * @return extent number index when it lies in a file of pool_bytes, behind the header, and shares
 * no byte with one before it; else NULL. The shim's extents follow each other; others would have
 * the same bytes read as often as the header has extents.
 */
const struct lt_extent *pool_extent(const struct lt_pool_header *header, uint32_t index,
				    uint64_t pool_bytes);

#endif
