/* SPDX-License-Identifier: MIT */
/* See elf_look.h. Only 64-bit files of this machine are looked into further than their header. */
#include "elf_look.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX_BYTES ((size_t)256 << 20)

/* Libraries that bring a malloc of their own. */
static const char *const allocators[] = {"jemalloc", "tcmalloc", "mimalloc", "snmalloc",
					 "rpmalloc", "hoard",	 "scudo"};

static bool read_at(int fd, void *bytes, size_t length, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* @return a part of the file to free, with a zero behind it; NULL when it is not all there. */
static char *read_part(int fd, uint64_t offset, uint64_t length)
{
	char *bytes = length && length <= TABLE_MAX_BYTES ? malloc(length + 1) : NULL;

	if (bytes && read_at(fd, bytes, length, offset)) {
		bytes[length] = '\0';
		return bytes;
	}
	free(bytes);
	return NULL;
}

/* @return false when the file ends before what it says it has. */
static bool read_loader(int fd, const Elf64_Ehdr *header, struct elf_look *look)
{
	for (unsigned i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr segment;

		if (!read_at(fd, &segment, sizeof(segment),
			     header->e_phoff + (uint64_t)i * header->e_phentsize))
			return false;
		if (segment.p_type == PT_INTERP && segment.p_filesz < sizeof(look->loader) &&
		    !read_at(fd, look->loader, segment.p_filesz, segment.p_offset))
			return false;
	}
	return true;
}

static bool read_section(int fd, const Elf64_Ehdr *header, unsigned index, Elf64_Shdr *ret_section)
{
	return index < header->e_shnum &&
	       read_at(fd, ret_section, sizeof(*ret_section),
		       header->e_shoff + (uint64_t)index * header->e_shentsize);
}

static bool is_malloc(const Elf64_Sym *symbol, const char *names, uint64_t names_bytes)
{
	return symbol->st_shndx != SHN_UNDEF && symbol->st_name < names_bytes &&
	       ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
	       ELF64_ST_BIND(symbol->st_info) != STB_LOCAL &&
	       !strcmp(names + symbol->st_name, "malloc");
}

static void look_at_symbols(const char *table, uint64_t bytes, const char *names,
			    uint64_t names_bytes, struct elf_look *look)
{
	for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= bytes; at += sizeof(Elf64_Sym)) {
		Elf64_Sym symbol;

		memcpy(&symbol, table + at, sizeof(symbol));
		look->has_malloc |= is_malloc(&symbol, names, names_bytes);
	}
}

static void look_at_library(const char *name, struct elf_look *look)
{
	for (size_t i = 0; i < sizeof(allocators) / sizeof(allocators[0]); i++)
		if (strstr(name, allocators[i]) && strlen(name) < sizeof(look->allocator))
			strcpy(look->allocator, name);
}

static void look_at_dynamic(const char *table, uint64_t bytes, const char *names,
			    uint64_t names_bytes, struct elf_look *look)
{
	for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= bytes; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		memcpy(&entry, table + at, sizeof(entry));
		if (entry.d_tag == DT_NEEDED && entry.d_un.d_val < names_bytes)
			look_at_library(names + entry.d_un.d_val, look);
	}
}

/* Symbols that the loader sees, and libraries that it loads: both name their table of names. */
static void look_at_section(int fd, const Elf64_Ehdr *header, const Elf64_Shdr *section,
			    struct elf_look *look)
{
	Elf64_Shdr strings;
	char *table, *names;

	if ((section->sh_type != SHT_DYNSYM && section->sh_type != SHT_DYNAMIC) ||
	    !read_section(fd, header, section->sh_link, &strings))
		return;
	table = read_part(fd, section->sh_offset, section->sh_size);
	names = read_part(fd, strings.sh_offset, strings.sh_size);
	if (table && names && section->sh_type == SHT_DYNSYM)
		look_at_symbols(table, section->sh_size, names, strings.sh_size, look);
	else if (table && names)
		look_at_dynamic(table, section->sh_size, names, strings.sh_size, look);
	free(table);
	free(names);
}

void elf_look(int fd, struct elf_look *ret_look)
{
	Elf64_Ehdr header;
	Elf64_Shdr section;
	ssize_t got;

	memset(ret_look, 0, sizeof(*ret_look));
	/* the first fields are the same in 32-bit files, of which 20 bytes are enough */
	memset(&header, 0, sizeof(header));
	got = pread(fd, &header, sizeof(header), 0);
	if (got < 20 || memcmp(header.e_ident, ELFMAG, SELFMAG))
		return;
	ret_look->is_elf = true;
	ret_look->class = header.e_ident[EI_CLASS];
	ret_look->data = header.e_ident[EI_DATA];
	ret_look->machine = ret_look->data == ELFDATA2MSB ? __builtin_bswap16(header.e_machine)
							  : header.e_machine;
	if (ret_look->class != ELFCLASS64 || ret_look->data != ELFDATA2LSB)
		return;
	ret_look->is_cut = got < (ssize_t)sizeof(header) || !read_loader(fd, &header, ret_look);
	for (unsigned i = 0; read_section(fd, &header, i, &section); i++)
		look_at_section(fd, &header, &section, ret_look);
}
