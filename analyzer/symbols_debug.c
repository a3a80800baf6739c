/* SPDX-License-Identifier: MIT */
/* Units and functions by their address ranges, on libdw; see symbols_debug.h. */
#include "symbols_debug.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"

/* Nesting of scopes in honest files is far below; a file that loops must not overflow the stack. */
#define MAX_DEPTH 256

/* Addresses [low, high) belong to a DIE: a unit, or a function. */
struct die_range {
	Dwarf_Addr low, high;
	Dwarf_Off die;
};

struct range_list {
	struct die_range *ranges;
	size_t count, capacity;
};

struct unit {
	Dwarf_Off die;
	bool is_searched;
	struct range_list functions;
};

struct debug_info {
	Dwarf *dwarf;
	struct range_list unit_ranges;	/* die: index into units */
	struct unit *units;
	size_t unit_count, unit_capacity;
};

static void add_ranges(struct range_list *list, Dwarf_Die *die, Dwarf_Off value)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		if (low >= high || !grow((void **)&list->ranges, list->count, &list->capacity,
					 sizeof(*list->ranges)))
			continue;
		list->ranges[list->count++] = (struct die_range){ low, high, value };
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const struct die_range *left = a, *right = b;

	return left->low < right->low ? -1 : left->low > right->low;
}

static void sort_ranges(struct range_list *list)
{
	if (list->count)
		qsort(list->ranges, list->count, sizeof(*list->ranges), compare_ranges);
}

/*
 * Ranges do not overlap: the last one that begins at or before the address is the only candidate.
 */
static const struct die_range *find_range(const struct range_list *list, Dwarf_Addr addr)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->ranges[middle].low <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && addr < list->ranges[low - 1].high ? &list->ranges[low - 1] : NULL;
}

static void list_units(struct debug_info *info)
{
	Dwarf_Off offset = 0, next;
	size_t header_bytes;

	while (dwarf_nextcu(info->dwarf, offset, &next, &header_bytes, NULL, NULL, NULL) == 0) {
		Dwarf_Die die;

		if (dwarf_offdie(info->dwarf, offset + header_bytes, &die) &&
		    grow((void **)&info->units, info->unit_count, &info->unit_capacity,
			 sizeof(*info->units))) {
			info->units[info->unit_count] = (struct unit){.die = dwarf_dieoffset(&die)};
			add_ranges(&info->unit_ranges, &die, info->unit_count++);
		}
		offset = next;
	}
	sort_ranges(&info->unit_ranges);
}

struct debug_info *debug_info_new(Elf *elf)
{
	struct debug_info *info = calloc(1, sizeof(*info));

	if (!info)
		return NULL;
	info->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (info->dwarf)
		list_units(info);
	if (info->unit_count)
		return info;
	debug_info_free(info);
	return NULL;
}

void debug_info_free(struct debug_info *info)
{
	if (!info)
		return;
	for (size_t i = 0; i < info->unit_count; i++)
		free(info->units[i].functions.ranges);
	free(info->units);
	free(info->unit_ranges.ranges);
	if (info->dwarf)
		dwarf_end(info->dwarf);
	free(info);
}

static bool may_hold_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_module ||
	       tag == DW_TAG_compile_unit;
}

static void list_functions(struct range_list *list, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram)
			add_ranges(list, &die, dwarf_dieoffset(&die));
		else if (may_hold_functions(tag))
			list_functions(list, &die, depth + 1);
	} while (dwarf_siblingof(&die, &die) == 0);
}

static void search_unit(struct unit *unit, Dwarf_Die *unit_die)
{
	if (unit->is_searched)
		return;
	unit->is_searched = true;
	list_functions(&unit->functions, unit_die, 0);
	sort_ranges(&unit->functions);
}

static void name_function(Dwarf_Die *die, struct debug_function *ret_function)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	*ret_function = (struct debug_function){ .name = name, .is_mangled = name != NULL };
	if (!name)
		ret_function->name = dwarf_diename(die);
}

static uint32_t call_line(Dwarf_Die *inlined)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value = 0;

	if (!dwarf_attr(inlined, DW_AT_call_line, &attribute) ||
	    dwarf_formudata(&attribute, &value) != 0)
		return 0;
	return (uint32_t)value;
}

static const char *call_file(Dwarf_Die *unit, Dwarf_Die *inlined)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value = 0;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_attr(inlined, DW_AT_call_file, &attribute) ||
	    dwarf_formudata(&attribute, &value) != 0 ||
	    dwarf_getsrcfiles(unit, &files, &count) != 0 || value >= count)
		return NULL;
	return dwarf_filesrc(files, value, NULL, NULL);
}

/* Steps from a scope into the child that covers the address. @return false when none does. */
static bool step_into(Dwarf_Die *scope, Dwarf_Addr addr)
{
	Dwarf_Die die;

	if (dwarf_child(scope, &die) != 0)
		return false;
	do {
		int tag = dwarf_tag(&die);

		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
		    dwarf_haspc(&die, addr) > 0) {
			*scope = die;
			return true;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

/* Fills functions outermost first. The place of a call stands in the callee, so it goes one up. */
static unsigned walk_scopes(Dwarf_Die *unit, Dwarf_Die *function, Dwarf_Addr addr,
			    struct debug_function *ret_functions)
{
	Dwarf_Die scope = *function;
	unsigned count = 1;

	name_function(function, &ret_functions[0]);
	for (int depth = 0; depth < MAX_DEPTH && step_into(&scope, addr); depth++) {
		if (dwarf_tag(&scope) != DW_TAG_inlined_subroutine || count == DEBUG_MAX_FUNCTIONS)
			continue;
		ret_functions[count - 1].file = call_file(unit, &scope);
		ret_functions[count - 1].line = call_line(&scope);
		name_function(&scope, &ret_functions[count++]);
	}
	return count;
}

static void set_line(Dwarf_Die *unit, Dwarf_Addr addr, struct debug_function *function)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, addr);
	int number = 0;

	if (!line)
		return;
	function->file = dwarf_linesrc(line, NULL, NULL);
	if (dwarf_lineno(line, &number) == 0 && number > 0)
		function->line = (uint32_t)number;
}

static void reverse(struct debug_function *functions, unsigned count)
{
	for (unsigned i = 0; i < count / 2; i++) {
		struct debug_function other = functions[i];

		functions[i] = functions[count - 1 - i];
		functions[count - 1 - i] = other;
	}
}

unsigned debug_info_functions(struct debug_info *info, uint64_t offset,
			      struct debug_function *ret_functions)
{
	const struct die_range *range = find_range(&info->unit_ranges, offset);
	Dwarf_Die unit_die, function;
	struct unit *unit;
	unsigned count;

	if (!range)
		return 0;
	unit = &info->units[range->die];
	if (!dwarf_offdie(info->dwarf, unit->die, &unit_die))
		return 0;
	search_unit(unit, &unit_die);
	range = find_range(&unit->functions, offset);
	if (!range || !dwarf_offdie(info->dwarf, range->die, &function))
		return 0;
	count = walk_scopes(&unit_die, &function, offset, ret_functions);
	set_line(&unit_die, offset, &ret_functions[count - 1]);
	reverse(ret_functions, count);
	for (unsigned i = 0; i < count; i++)
		if (!ret_functions[i].name)
			return 0;
	return count;
}
