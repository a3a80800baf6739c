/* SPDX-License-Identifier: MIT */
/*
 * Groups of stacks with equal names: found by a 64-bit hash, then compared name by name, so that
 * two different stacks are never taken for one. Equal names are equal pointers (see symbols.h).
 */
#include "analysis_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"
#include "report_hash.h"

struct group {
	uint32_t stack;		/* the first one of the group */
	uint32_t next;		/* group of the same hash; 0: none */
};

struct stack_groups {
	const struct trace *trace;
	struct symbols *symbols;
	uint32_t *of_stack;	/* group by stack; 0: not looked up */
	struct group *groups;	/* group 0 is "no stack" */
	size_t group_count, group_capacity;
	struct key_index hashes;	/* hash of the names > index in first */
	uint32_t *first;		/* first group of that hash */
	size_t first_capacity;
};

struct stack_groups *stack_groups_new(const struct trace *trace, struct symbols *symbols)
{
	struct stack_groups *groups = report_alloc(1, sizeof(*groups));

	groups->trace = trace;
	groups->symbols = symbols;
	groups->of_stack = report_alloc(trace_stack_limit(trace), sizeof(*groups->of_stack));
	groups->group_count = 1;
	groups->groups = report_grow(NULL, &groups->group_capacity, 1, sizeof(*groups->groups));
	return groups;
}

void stack_groups_free(struct stack_groups *groups)
{
	if (!groups)
		return;
	key_index_release(&groups->hashes);
	free(groups->first);
	free(groups->of_stack);
	free(groups->groups);
	free(groups);
}

static uint64_t hash_names(const char *const *names, uint32_t count)
{
	uint64_t hash = count;

	for (uint32_t i = 0; i < count; i++) {
		hash = (hash ^ (uintptr_t)names[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 32;
	}
	return hash;
}

static bool has_names(struct stack_groups *groups, uint32_t stack, const char *const *names,
		      uint32_t count)
{
	uint32_t known_count;
	const char *const *known = symbols_stack(groups->symbols, stack, &known_count);

	return known_count == count && !memcmp(known, names, count * sizeof(*names));
}

static uint32_t find_group(struct stack_groups *groups, uint32_t stack)
{
	uint32_t count, slot, group;
	const char *const *names = symbols_stack(groups->symbols, stack, &count);

	if (!count)
		return 0;
	slot = key_index_put(&groups->hashes, hash_names(names, count));
	groups->first = report_grow(groups->first, &groups->first_capacity, slot + 1,
				    sizeof(*groups->first));
	for (group = groups->first[slot]; group; group = groups->groups[group].next)
		if (has_names(groups, groups->groups[group].stack, names, count))
			return group;
	groups->groups = report_grow(groups->groups, &groups->group_capacity,
				     groups->group_count + 1, sizeof(*groups->groups));
	group = (uint32_t)groups->group_count++;
	groups->groups[group] = (struct group){ stack, groups->first[slot] };
	groups->first[slot] = group;
	return group;
}

uint32_t stack_groups_of(struct stack_groups *groups, uint32_t stack)
{
	if (!stack)
		return 0;
	if (!groups->of_stack[stack])
		groups->of_stack[stack] = find_group(groups, stack);
	return groups->of_stack[stack];
}

void stack_groups_set(struct stack_groups *groups, struct table *table, size_t row,
		      const char *column, uint32_t stack)
{
	uint32_t count = 0;
	const char *const *names = stack ? symbols_stack(groups->symbols, stack, &count) : NULL;

	if (count)
		table_set_stack(table, row, column, names, count);
}

const char *stack_groups_function(struct stack_groups *groups, uint64_t addr, uint64_t time_ns)
{
	return addr ? symbols_address(groups->symbols, addr, time_ns) : NULL;
}
