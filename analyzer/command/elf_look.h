/* SPDX-License-Identifier: MIT */
/* What the loader will make of an ELF file. Reads with pread alone: the file may be anything. */
#ifndef LLMTRACE_ELF_LOOK_H
#define LLMTRACE_ELF_LOOK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_look {
	bool is_elf;
	bool is_cut; /* the file ends before what its header says it has */
	uint8_t class;	       /* ELFCLASS32, ELFCLASS64 */
	uint8_t data;	       /* ELFDATA2LSB, ELFDATA2MSB */
	uint16_t machine;      /* EM_... */
	char loader[PATH_MAX]; /* "" for a static program */
	bool has_malloc;       /* it exports a malloc, which the loader finds before ours */
	char allocator[128];   /* a library that it needs and that is known to be an allocator */
};

/* Fills ret_look; what cannot be read stays empty. */
void elf_look(int fd, struct elf_look *ret_look);

#endif
