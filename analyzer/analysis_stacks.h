/* SPDX-License-Identifier: MIT */
/*
 * Call stacks as the reader of a report tells them apart: stacks of the trace whose frames have the
 * same names are one group. Names are looked up when a stack is asked for first. One thread.
 */
#ifndef LLMTRACE_ANALYSIS_STACKS_H
#define LLMTRACE_ANALYSIS_STACKS_H

#include <stdint.h>

#include "symbols.h"
#include "table.h"
#include "trace.h"

struct stack_groups;

struct stack_groups *stack_groups_new(const struct trace *trace, struct symbols *symbols);
void stack_groups_free(struct stack_groups *groups);

/* @return a number that stacks with the same names share; 0 for "no stack". */
uint32_t stack_groups_of(struct stack_groups *groups, uint32_t stack);

/* Puts the names of a stack into a cell; null for stack 0 and stacks without frames. */
void stack_groups_set(struct stack_groups *groups, struct table *table, size_t row,
		      const char *column, uint32_t stack);

/* @return the name of the function at an address (a thread's start routine). */
const char *stack_groups_function(struct stack_groups *groups, uint64_t addr, uint64_t time_ns);

#endif
