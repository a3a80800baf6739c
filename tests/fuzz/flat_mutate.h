/* SPDX-License-Identifier: MIT */
/*
 * Changes of flat traces that leave their frame whole: what LLVMFuzzerCustomMutator and
 * LLVMFuzzerCustomCrossOver call. One thread.
 */
#ifndef LLMTRACE_TESTS_FLAT_MUTATE_H
#define LLMTRACE_TESTS_FLAT_MUTATE_H

#include "flat.h"

/* @return the new length of data, at most max_size. */
size_t flat_mutate(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Blocks of the left one, then blocks of the right one. @return the length of out. */
size_t flat_cross(const uint8_t *left, size_t left_size, const uint8_t *right, size_t right_size,
		  uint8_t *out, size_t max_size, unsigned seed);

#endif
