/* SPDX-License-Identifier: MIT */
/*
 * Names of functions; see function_names.h. No index is kept of a symbol table: the few addresses
 * that are wanted are sorted and the table is read once past them, which costs a few milliseconds
 * for the largest programs.
 */
#include "function_names.h"

#include <elf.h>
#include <string.h>

#include "definitions.h"
#include "modules.h"
#include "sys.h"
#include "writer_emit.h"

/* So many symbols are looked at before the rings are. */
#define SYMBOLS_A_TIME 1024u

struct wanted {
	uint64_t offset; /* of a byte inside the call: the return address minus 1 */
	uint32_t module;
	/* the best symbol so far, during one pass */
	uint64_t start;
	uint64_t size_bytes;
	uint32_t name;
	uint32_t rank; /* 0: none */
};

static struct wanted *wanted;
static uint32_t wanted_count, wanted_max;
static uint32_t done_count; /* the first ones are looked up */
static uint32_t *table;	    /* hash table of numbers in wanted, plus 1 */
static uint32_t table_size;

static uint32_t hash(uint32_t module, uint64_t offset)
{
	return (uint32_t)((offset * 0x9e3779b97f4a7c15u ^ module * 0xff51afd7ed558ccdu) >> 32);
}

static void table_add(uint32_t number)
{
	uint32_t at = hash(wanted[number].module, wanted[number].offset);

	while (table[at & (table_size - 1)]) /* NOLINT: grow() has made it */
		at++;
	table[at & (table_size - 1)] = number + 1;
}

static bool grow(void)
{
	uint32_t max = wanted_max ? wanted_max * 2 : 16384;
	struct wanted *more = sys_memory(max * sizeof(*more));
	uint32_t *more_table = sys_memory(max * 2 * sizeof(*more_table));

	if (!more || !more_table)
		return false;
	if (wanted) {
		memcpy(more, wanted, wanted_count * sizeof(*more));
		sys_memory_release(wanted, wanted_max * sizeof(*more));
		sys_memory_release(table, table_size * sizeof(*table));
	}
	wanted = more;
	wanted_max = max;
	table = more_table;
	table_size = max * 2;
	for (uint32_t i = 0; i < wanted_count; i++)
		table_add(i);
	return true;
}

static bool is_wanted(uint32_t module, uint64_t offset)
{
	for (uint32_t at = hash(module, offset);; at++) {
		uint32_t number = table[at & (table_size - 1)];

		if (!number)
			return false;
		if (wanted[number - 1].module == module && wanted[number - 1].offset == offset)
			return true;
	}
}

void function_names_want(uint32_t module, uint64_t offset)
{
	offset--;
	if (table && is_wanted(module, offset))
		return;
	if (wanted_count == wanted_max && !grow())
		return;
	wanted[wanted_count] = (struct wanted){.module = module, .offset = offset};
	table_add(wanted_count++);
}

/* ---- one module ---- */
struct elf_file {
	const uint8_t *bytes;
	uint64_t size_bytes;
};

static bool map_file(const char *path, struct elf_file *ret_file)
{
	struct stat stat;
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	void *bytes = NULL;

	if (fd < 0)
		return false;
	if (sys_fstat((int)fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size > 0)
		bytes = sys_map((size_t)stat.st_size, PROT_READ, MAP_PRIVATE, (int)fd, 0);
	sys_close((int)fd);
	ret_file->bytes = bytes;
	ret_file->size_bytes = (uint64_t)stat.st_size;
	return bytes;
}

/* @return bytes of the file, NULL where it is too short. */
static const void *file_at(const struct elf_file *file, uint64_t offset, uint64_t bytes)
{
	return offset > file->size_bytes || bytes > file->size_bytes - offset
		       ? NULL
		       : file->bytes + offset;
}

static const Elf64_Shdr *find_section(const struct elf_file *file, uint32_t type,
				      const Elf64_Shdr **ret_sections)
{
	const Elf64_Ehdr *header = file_at(file, 0, sizeof(*header));
	const Elf64_Shdr *sections;

	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_shentsize != sizeof(*sections))
		return NULL;
	sections = file_at(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(*sections));
	for (uint32_t i = 0; sections && i < header->e_shnum; i++) {
		if (sections[i].sh_type != type || sections[i].sh_link >= header->e_shnum)
			continue;
		*ret_sections = sections;
		return &sections[i];
	}
	return NULL;
}

/*
 * Among several names of one function: a global one, then one without leading underscores, then the
 * first.
 */
static uint32_t rank(const Elf64_Sym *symbol, const char *name)
{
	uint32_t score = 1;

	if (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
		score += 2;
	return score + (name[0] != '_');
}

/* The first wanted address of the sorted part that is not below start. */
static uint32_t lower_bound(const struct wanted *part, uint32_t count, uint64_t start)
{
	uint32_t low = 0;

	while (count) {
		uint32_t half = count / 2;

		if (part[low + half].offset < start) {
			low += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return low;
}

static void offer_symbol(struct wanted *part, uint32_t count, const Elf64_Sym *symbol,
			 const char *names, uint64_t names_bytes)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	uint32_t score;

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_size == 0 ||
	    symbol->st_name >= names_bytes)
		return;
	score = rank(symbol, names + symbol->st_name);
	for (uint32_t i = lower_bound(part, count, symbol->st_value);
	     i < count && part[i].offset - symbol->st_value < symbol->st_size; i++) {
		if (part[i].rank >= score)
			continue;
		part[i].rank = score;
		part[i].start = symbol->st_value;
		part[i].size_bytes = symbol->st_size;
		part[i].name = symbol->st_name;
	}
}

static void emit(const struct wanted *part, uint32_t count, const char *names, uint64_t names_bytes)
{
	for (uint32_t i = 0; i < count; i++) {
		const char *name = names + part[i].name;

		if (!part[i].rank || (i && part[i - 1].rank && part[i - 1].start == part[i].start))
			continue;
		definitions_symbol(part[i].module, part[i].start, part[i].size_bytes, name,
				   strnlen(name, names_bytes - part[i].name));
	}
}

static bool read_table(const struct elf_file *file, uint32_t type, struct wanted *part,
		       uint32_t count)
{
	const Elf64_Shdr *sections, *section = find_section(file, type, &sections);
	const Elf64_Sym *symbols;
	const Elf64_Shdr *strings;
	const char *names;

	if (!section)
		return false;
	strings = &sections[section->sh_link];
	symbols = file_at(file, section->sh_offset, section->sh_size);
	names = file_at(file, strings->sh_offset, strings->sh_size);
	if (!symbols || !names || !strings->sh_size)
		return false;
	for (uint64_t i = 0; i < section->sh_size / sizeof(*symbols); i++) {
		if (i % SYMBOLS_A_TIME == 0)
			writer_keep_up();
		offer_symbol(part, count, &symbols[i], names, strings->sh_size);
	}
	emit(part, count, names, strings->sh_size);
	return true;
}

static void resolve_module(const struct module *module, struct wanted *part, uint32_t count)
{
	struct elf_file file;

	if (!module->path[0] || !map_file(module->path, &file))
		return;
	if (!read_table(&file, SHT_SYMTAB, part, count))
		read_table(&file, SHT_DYNSYM, part, count);
	sys_unmap((void *)(uintptr_t)file.bytes, file.size_bytes);
}

/* ---- all modules ---- */
static bool is_before(const struct wanted *a, const struct wanted *b)
{
	return a->module != b->module ? a->module < b->module : a->offset < b->offset;
}

static void sift_down(struct wanted *part, uint32_t at, uint32_t count)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		struct wanted swap;

		if (child >= count)
			return;
		if (child + 1 < count && is_before(&part[child], &part[child + 1]))
			child++;
		if (!is_before(&part[at], &part[child]))
			return;
		swap = part[at];
		part[at] = part[child];
		part[child] = swap;
		at = child;
	}
}

/* Heap sort: in place, and qsort would allocate. */
static void sort(struct wanted *part, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(part, i, count);
	for (uint32_t end = count; end-- > 1;) {
		struct wanted swap = part[0];

		part[0] = part[end];
		part[end] = swap;
		sift_down(part, 0, end);
	}
}

void function_names_resolve(void)
{
	struct wanted *part;
	uint32_t count = wanted_count - done_count;

	if (!count)
		return;
	part = sys_memory(count * sizeof(*part));
	if (!part)
		return;
	memcpy(part, &wanted[done_count], count * sizeof(*part));
	done_count = wanted_count;
	sort(part, count);
	for (uint32_t first = 0, end; first < count; first = end) {
		const struct module *module = modules_at(part[first].module - 1);

		for (end = first + 1; end < count && part[end].module == part[first].module; end++)
			;
		if (module)
			resolve_module(module, &part[first], end - first);
	}
	sys_memory_release(part, count * sizeof(*part));
}
