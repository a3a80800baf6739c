/* SPDX-License-Identifier: MIT */
/* Between blocks.c and blocks_index.c: the walk over the file that fills the index. One thread. */
#ifndef LLMTRACE_ANALYZER_BLOCKS_INDEX_H
#define LLMTRACE_ANALYZER_BLOCKS_INDEX_H

#include "blocks.h"

/*
 * Fills the lists, the end and the damage of an index whose file is open and whose header was read.
 * offset: of the first frame behind the header. @return false when memory is short.
 */
bool block_index_walk(struct block_index *index, uint64_t offset);

#endif
