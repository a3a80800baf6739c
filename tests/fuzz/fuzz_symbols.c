/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the file of a module > names of functions, by symbol tables and debug information,
 * and demangling. The input's last 8 bytes are looked up, too; the rest is the file.
 */
#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "harness.h"
#include "symbols_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The build id as a trace would have it, so that the file is taken. */
static size_t find_build_id(const struct memory_file *file, uint8_t *ret_id, size_t capacity)
{
	const void *found;
	ssize_t length = -1;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		length = dwelf_elf_gnu_build_id(elf, &found);
	if (length > 0 && (size_t)length <= capacity)
		memcpy(ret_id, found, (size_t)length);
	elf_end(elf);
	return length > 0 && (size_t)length <= capacity ? (size_t)length : 0;
}

static void use(const char *name)
{
	if (name)
		free(demangle_name(name));
}

static void look_up(struct symbol_file *file, uint64_t offset)
{
	struct debug_function functions[DEBUG_MAX_FUNCTIONS];
	unsigned count = symbol_file_functions(file, offset, functions);

	for (unsigned i = 0; i < count; i++) {
		use(functions[i].name);
		use(functions[i].file);
	}
	use(symbol_file_name(file, offset));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory_file memory;
	struct symbol_file *file;
	uint8_t id[64];
	size_t id_bytes;
	uint64_t offset;

	if (size < sizeof(offset))
		return 0;
	size -= sizeof(offset);
	memcpy(&offset, data + size, sizeof(offset));
	memory_file_set(&memory, data, size);
	id_bytes = find_build_id(&memory, id, sizeof(id));
	if (!id_bytes)
		return 0;
	file = symbol_file_open(memory.path, id, id_bytes, "/nowhere", true);
	if (!file)
		return 0;
	look_up(file, offset);
	for (uint64_t i = 0x200; i < 0x600; i += 16)
		look_up(file, i);
	symbol_file_close(file);
	return 0;
}
