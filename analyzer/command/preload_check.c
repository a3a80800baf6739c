/* SPDX-License-Identifier: MIT */
/* Whether a program will load the shim; see preload_check.h. */
#include "preload_check.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool find_in_path(const char *command, char *buffer, size_t bytes)
{
	const char *path = getenv("PATH");

	if (strchr(command, '/')) {
		snprintf(buffer, bytes, "%s", command);
		return true;
	}
	for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
		snprintf(buffer, bytes, "%.*s/%s", (int)strcspn(path, ":"), path, command);
		if (access(buffer, X_OK) == 0)
			return true;
	}
	return false;
}

static bool has_interpreter(int fd, const Elf64_Ehdr *header)
{
	for (unsigned i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr segment;
		off_t offset = (off_t)(header->e_phoff + (uint64_t)i * header->e_phentsize);

		if (pread(fd, &segment, sizeof(segment), offset) != sizeof(segment))
			return true;
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static const char *find_problem(int fd)
{
	Elf64_Ehdr header;
	struct stat stat;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG))
		return NULL;
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return "it is a 32-bit program; llmtrace traces 64-bit ones";
	if (header.e_machine != EM_X86_64)
		return "it is for another machine; this build traces x86-64 programs";
	if (!has_interpreter(fd, &header))
		return "it is statically linked, so nothing can be preloaded; build it with shared "
		       "libraries";
	if (fstat(fd, &stat) == 0 && stat.st_mode & (S_ISUID | S_ISGID) && stat.st_uid != geteuid())
		return "it is set-user-ID, and the loader then ignores LD_PRELOAD; run it as its "
		       "owner";
	return NULL;
}

bool preload_check(const char *command, char *problem, size_t bytes)
{
	char path[PATH_MAX];
	const char *found;
	int fd;

	if (!find_in_path(command, path, sizeof(path)))
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	found = find_problem(fd);
	close(fd);
	if (found)
		snprintf(problem, bytes, "%s", found);
	return !found;
}
