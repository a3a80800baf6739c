/* SPDX-License-Identifier: MIT */
/*
 * Functions by name; see module_symbols.h. Entered by target threads in the first call of an engine
 * function from each place, and in dlsym. Takes the lock of the loader's list, for the time of a
 * walk, and no other.
 */
#include "module_symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "real.h"
#include "text.h"

#define NEEDED_DEPTH_MAX 4u
#define PROBES_MAX 16u
#define PROBE_BYTES 64u

/* A loaded object and its tables. */
struct object {
	const char *path;
	uintptr_t bias, start, end;
	const ElfW(Dyn) * dynamic;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash;
	unsigned number; /* in the loader's order */
};

/* Objects that the program was started with: the first ones of the loader's list, never unloaded. */
static unsigned started_with;

/* The loader has turned the offsets of all but the kernel's own object into addresses. */
static const void *table_at(const struct object *object, uintptr_t value)
{
	return (const void *)(value < object->bias ? value + object->bias : value);
}

static void read_dynamic(struct object *object)
{
	for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++) {
		const void *table = table_at(object, entry->d_un.d_ptr);

		if (entry->d_tag == DT_SYMTAB)
			object->symbols = table;
		else if (entry->d_tag == DT_STRTAB)
			object->strings = table;
		else if (entry->d_tag == DT_GNU_HASH)
			object->gnu_hash = table;
	}
}

/* @return whether the object has what a look-up needs. */
static bool read_object(const struct dl_phdr_info *info, struct object *object)
{
	memset(object, 0, sizeof(*object));
	object->path = info->dlpi_name;
	object->bias = info->dlpi_addr;
	object->start = UINTPTR_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_DYNAMIC)
			object->dynamic = (const void *)start;
		if (segment->p_type != PT_LOAD)
			continue;
		if (start < object->start)
			object->start = start;
		if (start + segment->p_memsz > object->end)
			object->end = start + segment->p_memsz;
	}
	if (object->dynamic)
		read_dynamic(object);
	return object->symbols && object->strings && object->gnu_hash;
}

static bool holds(const struct object *object, const void *addr)
{
	return (uintptr_t)addr - object->start < object->end - object->start;
}

static bool is_function(const ElfW(Sym) * symbol)
{
	return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
	       ELF64_ST_BIND(symbol->st_info) != STB_LOCAL;
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* The table: bucket count, first symbol, bloom words and shift; bloom, buckets, chains. */
struct gnu_table {
	uint32_t bucket_count, first, bloom_words, bloom_shift;
	const uint32_t *buckets, *chains;
};

static struct gnu_table read_table(const uint32_t *words)
{
	struct gnu_table table = {words[0], words[1], words[2], words[3], NULL, NULL};

	table.buckets = words + 4 + table.bloom_words * (sizeof(ElfW(Addr)) / sizeof(*words));
	table.chains = table.buckets + table.bucket_count;
	return table;
}

static void *find_in(const struct object *object, const char *name)
{
	struct gnu_table table = read_table(object->gnu_hash);
	uint32_t hash = gnu_hash_of(name), at;

	if (!table.bucket_count)
		return NULL;
	at = table.buckets[hash % table.bucket_count];
	for (; at >= table.first && at; at++) {
		uint32_t found = table.chains[at - table.first];
		const ElfW(Sym) *symbol = &object->symbols[at];

		if ((found | 1) == (hash | 1) && is_function(symbol) &&
		    !strcmp(object->strings + symbol->st_name, name))
			return (void *)(object->bias + symbol->st_value);
		if (found & 1)
			break;
	}
	return NULL;
}

/* ---- walks over the loader's list ---- */
typedef bool visit_fn(const struct object *object, void *context);

struct walk {
	visit_fn *visit;
	void *context;
	unsigned number;
};

static int visit_object(struct dl_phdr_info *info, size_t size, void *context)
{
	struct walk *walk = context;
	struct object object;
	unsigned number = walk->number++;

	(void)size;
	if (!read_object(info, &object) || holds(&object, (const void *)symbol_for_caller))
		return 0;
	object.number = number;
	return walk->visit(&object, walk->context);
}

/* Until visit returns true. @return the number of objects gone through. */
static unsigned for_each_object(visit_fn *visit, void *context)
{
	struct walk walk = {visit, context, 0};

	dl_iterate_phdr(visit_object, &walk);
	return walk.number;
}

static bool go_on(const struct object *object, void *context)
{
	(void)object;
	(void)context;
	return false;
}

void symbols_init(void)
{
	started_with = for_each_object(go_on, NULL);
}

struct search {
	const char *name;
	const void *caller;
	const char *file; /* the needed object's name */
	unsigned depth;
	void *found;
};

/* The program's own functions take the place of ours: nothing that calls us would have got them. */
static bool search_started(const struct object *object, void *context)
{
	struct search *search = context;

	if (object->number && object->number < started_with)
		search->found = find_in(object, search->name);
	return search->found;
}

static bool search_any(const struct object *object, void *context)
{
	struct search *search = context;

	search->found = find_in(object, search->name);
	return search->found;
}

static bool search_in_needed(const struct object *object, struct search *search);

/* By the name in its dynamic section, or by its file's. */
static bool is_called(const struct object *object, const char *file)
{
	const char *slash = text_last(object->path, '/');

	for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_SONAME &&
		    !strcmp(object->strings + entry->d_un.d_val, file))
			return true;
	return !strcmp(slash ? slash + 1 : object->path, file) || !strcmp(object->path, file);
}

static bool search_called(const struct object *object, void *context)
{
	struct search *search = context;

	if (!is_called(object, search->file))
		return false;
	search->found = find_in(object, search->name);
	if (!search->found)
		search_in_needed(object, search);
	return true;
}

static bool search_in_needed(const struct object *object, struct search *search)
{
	struct search inner = *search;

	if (++inner.depth > NEEDED_DEPTH_MAX)
		return false;
	for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag != DT_NEEDED)
			continue;
		inner.file = object->strings + entry->d_un.d_val;
		for_each_object(search_called, &inner);
		if (inner.found)
			break;
	}
	search->found = inner.found;
	return search->found;
}

static bool search_caller(const struct object *object, void *context)
{
	struct search *search = context;

	if (!holds(object, search->caller))
		return false;
	search->found = find_in(object, search->name);
	if (!search->found)
		search_in_needed(object, search);
	return true;
}

void *symbol_for_caller(const char *name, const void *caller)
{
	struct search search = {name, caller, NULL, 0, NULL};

	for_each_object(search_started, &search);
	if (!search.found)
		for_each_object(search_caller, &search);
	if (!search.found)
		for_each_object(search_any, &search);
	return search.found;
}

/*
 * An object that has the function, and some names by which to find out whether it was opened with
 * RTLD_GLOBAL: the loader does not tell, but a look-up in the global scope then ends in the object.
 */
struct candidate {
	const char *name;
	unsigned next; /* the first object to look at */
	uintptr_t start, end;
	void *found;
	unsigned probe_count;
	char probes[PROBES_MAX][PROBE_BYTES];
};

static void copy_probes(const struct object *object, struct candidate *candidate)
{
	struct gnu_table table = read_table(object->gnu_hash);

	candidate->probe_count = 0;
	for (uint32_t i = 0; i < table.bucket_count; i++) {
		const ElfW(Sym) *symbol = &object->symbols[table.buckets[i]];
		const char *name = object->strings + symbol->st_name;

		if (!table.buckets[i] || !is_function(symbol) || strlen(name) >= PROBE_BYTES)
			continue;
		text_copy(candidate->probes[candidate->probe_count], PROBE_BYTES, name);
		if (++candidate->probe_count == PROBES_MAX)
			return;
	}
}

static bool find_candidate(const struct object *object, void *context)
{
	struct candidate *candidate = context;

	if (object->number < candidate->next)
		return false;
	candidate->found = find_in(object, candidate->name);
	if (!candidate->found)
		return false;
	candidate->next = object->number + 1;
	candidate->start = object->start;
	candidate->end = object->end;
	copy_probes(object, candidate);
	return true;
}

static bool is_global(const struct candidate *candidate)
{
	for (unsigned i = 0; i < candidate->probe_count; i++) {
		uintptr_t addr = (uintptr_t)real_dlsym(RTLD_DEFAULT, candidate->probes[i]);

		if (addr - candidate->start < candidate->end - candidate->start)
			return true;
	}
	return false;
}

/* Asks the loader between the walks: its locks have an order, and a walk holds the inner one. */
static void *find_global(const char *name)
{
	struct candidate candidate = {.name = name};

	do {
		candidate.found = NULL;
		for_each_object(find_candidate, &candidate);
		if (candidate.found && is_global(&candidate))
			break;
	} while (candidate.found);
	return candidate.found;
}

void *symbol_in_scope(const char *name, const void *caller)
{
	struct search search = {name, caller, NULL, 0, NULL};

	for_each_object(search_started, &search);
	if (!search.found)
		search.found = find_global(name);
	if (!search.found)
		for_each_object(search_caller, &search);
	return search.found;
}
