/* SPDX-License-Identifier: MIT */
/*
 * Finding the file of a module and its debug file, and the table of its function symbols; see
 * symbols_file.h. Order: the module's path, its .gnu_debuglink, then the build-id folder.
 */
#include "symbols_file.h"

#include <elfutils/libdwelf.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "private_path.h"
#include "regular_file.h"
#include "symbols_debug.h"

struct elf_symbol {
	uint64_t start, end;
	uint64_t latest_end;		/* of this and all before it: where looking back may stop */
	const char *name;
	int rank;			/* of names for the same place the lowest is shown */
};

struct elf_handle {
	int fd;
	Elf *elf;
};

struct symbol_file {
	struct elf_handle module, debug;
	struct elf_symbol *symbols;
	size_t symbol_count, symbol_capacity;
	struct debug_info *info;	/* opened when it is asked for */
	bool is_separate_used, is_info_tried;
};

static void close_elf(struct elf_handle *handle)
{
	if (handle->elf)
		elf_end(handle->elf);
	if (handle->fd >= 0)
		close(handle->fd);
	*handle = (struct elf_handle){ -1, NULL };
}

static bool open_elf(struct elf_handle *handle, const char *path, const uint8_t *build_id,
		     size_t build_id_bytes)
{
	const void *found;

	elf_version(EV_CURRENT);
	*handle = (struct elf_handle){ regular_file_open(path, 0), NULL };
	if (handle->fd >= 0)
		handle->elf = elf_begin(handle->fd, ELF_C_READ_MMAP, NULL);
	if (handle->elf && elf_kind(handle->elf) == ELF_K_ELF &&
	    dwelf_elf_gnu_build_id(handle->elf, &found) == (ssize_t)build_id_bytes &&
	    memcmp(found, build_id, build_id_bytes) == 0)
		return true;
	close_elf(handle);
	return false;
}

/* Opens by .gnu_debuglink: beside the module, in .debug beside it, below the debug folder. */
static bool open_linked(struct symbol_file *file, const char *path, const uint8_t *build_id,
			size_t build_id_bytes, const char *debug_dir)
{
	static const char *const forms[] = { "%.0s%s/%s", "%.0s%s/.debug/%s", "%s%s/%s" };
	const char *slash = strrchr(path, '/'), *link = NULL;
	char folder[PATH_MAX], name[PATH_MAX * 2];
	GElf_Word crc;

	if (!file->module.elf || !slash)
		return false;
	link = dwelf_elf_gnu_debuglink(file->module.elf, &crc);
	if (!link || strchr(link, '/'))
		return false;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(name, sizeof(name), forms[i], debug_dir, folder, link);
		if (strcmp(name, path) != 0 &&
		    open_elf(&file->debug, name, build_id, build_id_bytes))
			return true;
	}
	return false;
}

static bool open_by_build_id(struct symbol_file *file, const uint8_t *build_id,
			     size_t build_id_bytes, const char *debug_dir)
{
	char path[PATH_MAX];
	int at;

	if (build_id_bytes < 2 || build_id_bytes > 64)
		return false;
	at = snprintf(path, sizeof(path) - 160, "%s/.build-id/%02x/", debug_dir, build_id[0]);
	if (at < 0 || (size_t)at >= sizeof(path) - 160)
		return false;
	for (size_t i = 1; i < build_id_bytes; i++)
		at += snprintf(path + at, 3, "%02x", build_id[i]);
	strcpy(path + at, ".debug");
	return open_elf(&file->debug, path, build_id, build_id_bytes);
}

static int rank_of(const GElf_Sym *symbol, const char *name)
{
	int rank = GELF_ST_BIND(symbol->st_info) == STB_GLOBAL ? 0 :
		   GELF_ST_BIND(symbol->st_info) == STB_WEAK ? 1 : 2;

	return rank * 16 + (int)strspn(name, "_");
}

static void add_symbol(struct symbol_file *file, Elf *elf, const GElf_Shdr *section,
		       const GElf_Sym *symbol)
{
	int type = GELF_ST_TYPE(symbol->st_info);
	const char *name;

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_size == 0 || symbol->st_value + symbol->st_size < symbol->st_value)
		return;
	name = elf_strptr(elf, section->sh_link, symbol->st_name);
	if (!name || !*name || !grow((void **)&file->symbols, file->symbol_count,
				     &file->symbol_capacity, sizeof(*file->symbols)))
		return;
	file->symbols[file->symbol_count++] = (struct elf_symbol){
		.start = symbol->st_value, .end = symbol->st_value + symbol->st_size, .name = name,
		.rank = rank_of(symbol, name),
	};
}

/* Reads the symbol tables of a type. @return whether there was one. */
static bool read_symbols(struct symbol_file *file, Elf *elf, GElf_Word wanted)
{
	Elf_Scn *section = NULL;
	bool is_found = false;

	while (elf && (section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		GElf_Sym symbol;
		Elf_Data *data;

		if (!gelf_getshdr(section, &header) || header.sh_type != wanted)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 1; data && gelf_getsym(data, i, &symbol); i++) {
			add_symbol(file, elf, &header, &symbol);
			is_found = true;
		}
	}
	return is_found;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct elf_symbol *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	if (left->rank != right->rank)
		return left->rank > right->rank ? -1 : 1; /* looking back meets the best first */
	return strcmp(right->name, left->name);
}

static void sort_symbols(struct symbol_file *file)
{
	uint64_t latest = 0;

	if (!file->symbol_count)
		return;
	qsort(file->symbols, file->symbol_count, sizeof(*file->symbols), compare_symbols);
	for (size_t i = 0; i < file->symbol_count; i++) {
		if (file->symbols[i].end > latest)
			latest = file->symbols[i].end;
		file->symbols[i].latest_end = latest;
	}
}

static void read_file(struct symbol_file *file)
{
	if (!read_symbols(file, file->debug.elf, SHT_SYMTAB) &&
	    !read_symbols(file, file->module.elf, SHT_SYMTAB))
		read_symbols(file, file->module.elf, SHT_DYNSYM);
	sort_symbols(file);
}

/* Debug information is unpacked whole before its first use: nothing is opened that is not needed. */
static struct debug_info *info_of(struct symbol_file *file)
{
	if (file->is_info_tried)
		return file->info;
	file->is_info_tried = true;
	if (file->debug.elf && file->is_separate_used)
		file->info = debug_info_new(file->debug.elf);
	if (!file->info && file->module.elf)
		file->info = debug_info_new(file->module.elf);
	return file->info;
}

struct symbol_file *symbol_file_open(const char *path, const uint8_t *build_id,
				     size_t build_id_bytes, const char *debug_dir,
				     bool is_separate_used)
{
	struct symbol_file *file;
	char *found;

	if (!build_id_bytes)
		return NULL;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->debug = (struct elf_handle){ -1, NULL };
	file->is_separate_used = is_separate_used;
	found = private_path_find(path);
	if (found)
		open_elf(&file->module, found, build_id, build_id_bytes);
	if (!found || !open_linked(file, found, build_id, build_id_bytes, debug_dir))
		open_by_build_id(file, build_id, build_id_bytes, debug_dir);
	free(found);
	if (!file->module.elf && !file->debug.elf) {
		symbol_file_close(file);
		return NULL;
	}
	read_file(file);
	return file;
}

void symbol_file_close(struct symbol_file *file)
{
	if (!file)
		return;
	debug_info_free(file->info);
	free(file->symbols);
	close_elf(&file->debug);
	close_elf(&file->module);
	free(file);
}

const char *symbol_file_name(struct symbol_file *file, uint64_t offset)
{
	size_t low = 0, high = file->symbol_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->symbols[middle].start <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i-- > 0 && file->symbols[i].latest_end > offset;)
		if (file->symbols[i].end > offset)
			return file->symbols[i].name;
	return NULL;
}

unsigned symbol_file_functions(struct symbol_file *file, uint64_t offset,
			       struct debug_function *ret_functions)
{
	struct debug_info *info = info_of(file);

	return info ? debug_info_functions(info, offset, ret_functions) : 0;
}
