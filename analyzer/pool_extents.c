/* SPDX-License-Identifier: MIT */
/* See pool_extents.h. */
#include "pool_extents.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_inside(const struct lt_extent *extent, uint64_t pool_bytes)
{
	return extent->type && extent->offset >= sizeof(struct lt_pool_header) &&
	       extent->offset % 16 == 0 && extent->offset <= pool_bytes &&
	       extent->bytes <= pool_bytes - extent->offset;
}

const struct lt_extent *pool_extent(const struct lt_pool_header *header, uint32_t index,
				    uint64_t pool_bytes)
{
	const struct lt_extent *extent = &header->extents[index];

	if (!is_inside(extent, pool_bytes))
		return NULL;
	for (uint32_t i = 0; i < index; i++) {
		const struct lt_extent *before = &header->extents[i];

		if (is_inside(before, pool_bytes) &&
		    before->offset < extent->offset + extent->bytes &&
		    extent->offset < before->offset + before->bytes)
			return NULL;
	}
	return extent;
}
