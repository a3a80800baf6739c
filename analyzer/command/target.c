/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "target.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elf_look.h"

#define SCRIPT_DEPTH_MAX 5
#define LINE_BYTES 256 /* as much of a script's first line as the kernel reads */

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#define OWN_NAME "x86-64"
#define OWN_LOADER "ld-linux-x86-64.so"
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#define OWN_NAME "aarch64"
#define OWN_LOADER "ld-linux-aarch64.so"
#endif

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{EM_386, "i386"},    {EM_X86_64, "x86-64"}, {EM_ARM, "arm"},   {EM_AARCH64, "aarch64"},
	{EM_RISCV, "riscv"}, {EM_PPC64, "ppc64"},   {EM_S390, "s390"}, {EM_LOONGARCH, "loongarch"},
};

static const char *machine_name(uint16_t machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	return "another machine";
}

static bool is_file(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static bool find_in_path(const char *command, char *buffer, size_t bytes)
{
	const char *path = getenv("PATH");

	if (strchr(command, '/')) {
		snprintf(buffer, bytes, "%s", command);
		return true;
	}
	for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
		size_t length = strcspn(path, ":");

		snprintf(buffer, bytes, "%.*s%s%s", (int)length, path, length ? "/" : "", command);
		if (is_file(buffer))
			return true;
	}
	return false;
}

/* ---- programs ---- */

/* The loader ignores LD_PRELOAD when the kernel says that the program may do more than its caller.
 */
static bool is_privileged(int fd)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return false;
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return true;
	return (status.st_mode & S_ISUID && status.st_uid != getuid()) ||
	       ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		status.st_gid != getgid());
}

static enum target_verdict refuse_loader(const struct elf_look *look, char *text, size_t bytes)
{
	if (strstr(look->loader, "ld-musl"))
		snprintf(text, bytes,
			 "it uses musl instead of glibc, and the shim needs glibc; "
			 "build or install it for glibc");
	else
		snprintf(text, bytes, "its loader %.200s is not glibc's, and the shim needs glibc",
			 look->loader);
	return TARGET_REFUSED;
}

static enum target_verdict refuse_header(const struct elf_look *look, char *text, size_t bytes)
{
	if (look->machine == OWN_MACHINE)
		snprintf(text, bytes, "it is an x32 program; llmtrace traces 64-bit ones");
	else if (look->class == ELFCLASS32)
		snprintf(text, bytes, "it is a 32-bit program (%s); llmtrace traces 64-bit ones",
			 machine_name(look->machine));
	else
		snprintf(text, bytes, "it is for %s; this build traces " OWN_NAME " programs",
			 machine_name(look->machine));
	return TARGET_REFUSED;
}

static enum target_verdict look_at_program(const struct elf_look *look, bool privileged, char *text,
					   size_t bytes)
{
	const char *slash = strrchr(look->loader, '/');

	if (look->class != ELFCLASS64 || look->machine != OWN_MACHINE || look->data != ELFDATA2LSB)
		return refuse_header(look, text, bytes);
	if (look->is_cut) {
		snprintf(text, bytes, "its file is cut short; copy or build it again");
		return TARGET_REFUSED;
	}
	if (!look->loader[0]) {
		snprintf(text, bytes,
			 "it is statically linked, so nothing can be preloaded; build "
			 "it with shared libraries");
		return TARGET_REFUSED;
	}
	if (strncmp(slash ? slash + 1 : look->loader, OWN_LOADER, strlen(OWN_LOADER)))
		return refuse_loader(look, text, bytes);
	if (privileged) {
		snprintf(text, bytes,
			 "it is set-user-ID, set-group-ID or has capabilities, and the "
			 "loader then ignores LD_PRELOAD; run it as its owner");
		return TARGET_REFUSED;
	}
	if (look->has_malloc) {
		snprintf(text, bytes,
			 "heap calls will not be seen: the program has a malloc of "
			 "its own; mappings, files, threads and phases will be");
		return TARGET_PARTLY;
	}
	if (look->allocator[0]) {
		snprintf(text, bytes,
			 "malloc and free are seen, but calls of %s by other names, "
			 "such as C++ new, are not",
			 look->allocator);
		return TARGET_PARTLY;
	}
	return TARGET_TRACED;
}

/* ---- scripts ---- */

/*
 * "#!INTERPRETER [ARGUMENT]"; behind env the interpreter is the first word that is no option and no
 * variable. @return false for a file that is no script.
 */
static bool find_interpreter(int fd, char *buffer, size_t bytes)
{
	char line[LINE_BYTES], *word, *rest;
	ssize_t length = pread(fd, line, sizeof(line) - 1, 0);

	if (length < 3 || line[0] != '#' || line[1] != '!')
		return false;
	line[length] = '\0';
	line[strcspn(line, "\n")] = '\0';
	word = strtok_r(line + 2, " \t", &rest);
	if (!word)
		return false;
	if (strrchr(word, '/') && !strcmp(strrchr(word, '/'), "/env")) {
		char *next = strtok_r(NULL, " \t", &rest);

		while (next && (*next == '-' || strchr(next, '=')))
			next = strtok_r(NULL, " \t", &rest);
		word = next ? next : word;
	}
	return find_in_path(word, buffer, bytes);
}

static enum target_verdict look_at_file(const char *path, int depth, char *text, size_t bytes)
{
	enum target_verdict verdict = TARGET_TRACED;
	char interpreter[PATH_MAX], reason[512];
	struct elf_look look;
	int fd = is_file(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return TARGET_TRACED;
	elf_look(fd, &look);
	if (look.is_elf) {
		verdict = look_at_program(&look, is_privileged(fd), text, bytes);
	} else if (depth < SCRIPT_DEPTH_MAX &&
		   find_interpreter(fd, interpreter, sizeof(interpreter))) {
		verdict = look_at_file(interpreter, depth + 1, reason, sizeof(reason));
		if (verdict != TARGET_TRACED)
			snprintf(text, bytes, "its interpreter %.200s: %s", interpreter, reason);
	}
	close(fd);
	return verdict;
}

enum target_verdict target_look(const char *command, char *text, size_t bytes)
{
	char path[PATH_MAX];

	if (!find_in_path(command, path, sizeof(path)))
		return TARGET_TRACED;
	return look_at_file(path, 0, text, bytes);
}
