/* SPDX-License-Identifier: MIT */
/* Checks that involve a traced program, and what is told of it; see doctor.h. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "llmtrace/format.h"
#include "shim.h"

/* In the child: this very program under the shim, saying its version to nobody. */
static void become_traced(const char *shim, const char *trace, int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setenv("LD_PRELOAD", shim, 1);
	setenv("LLMTRACE_OUTPUT", trace, 1);
	setenv("LLMTRACE_FOLLOW", "1", 1);
	unsetenv("LLMTRACE_LOG");
	unsetenv("LLMTRACE_EVENTS");
	dup2(null, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	execl("/proc/self/exe", "llmtrace", "--version", (char *)NULL);
	_exit(127);
}

static bool is_trace(const char *path)
{
	struct {
		struct lt_frame_header frame;
		char magic[8];
	} head = {{0, 0}, ""};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_one = fd >= 0 && read(fd, &head, sizeof(head)) == sizeof(head) &&
		      head.frame.magic == LT_FRAME_FILE &&
		      !memcmp(head.magic, LT_FILE_MAGIC, sizeof(head.magic));

	if (fd >= 0)
		close(fd);
	return is_one;
}

/* @return 0, or -1 with what the program or the loader said. */
static int record(const char *shim, const char *folder, char *said, size_t bytes)
{
	char trace[PATH_MAX + 16], log_path[PATH_MAX + 16];
	int log, status = -1;
	pid_t child;
	bool is_recorded;

	snprintf(trace, sizeof(trace), "%s/trace.zst", folder);
	snprintf(log_path, sizeof(log_path), "%s/log", folder);
	log = open(log_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	child = log < 0 ? -1 : fork();
	if (child == 0)
		become_traced(shim, trace, log);
	if (child > 0)
		waitpid(child, &status, 0);
	if (!doctor_read(log_path, said, bytes))
		snprintf(said, bytes, "no trace was written (status %d)", status);
	is_recorded = child > 0 && status == 0 && is_trace(trace);
	if (log >= 0)
		close(log);
	unlink(trace);
	unlink(log_path);
	return is_recorded ? 0 : -1;
}

void doctor_recording(struct doctor_answer *answer)
{
	const char *place = getenv("TMPDIR");
	char shim[PATH_MAX], folder[PATH_MAX], said[256];
	int result;

	if (!shim_find(shim, sizeof(shim))) {
		doctor_say(answer, DOCTOR_NO,
			   "libllmtrace.so is not beside this program, nor in "
			   "../lib/llmtrace");
		doctor_remedy(answer, "make, or make install PREFIX=/usr/local");
		return;
	}
	snprintf(folder, sizeof(folder), "%s/llmtrace-doctor-XXXXXX", place ? place : "/tmp");
	if (!mkdtemp(folder)) {
		doctor_say(answer, DOCTOR_NO, "%.300s: %s", folder, strerror(errno));
		doctor_remedy(answer, "export TMPDIR=/PLACE/THAT/CAN/BE/WRITTEN");
		return;
	}
	result = record(shim, folder, said, sizeof(said));
	rmdir(folder);
	if (result == 0) {
		doctor_say(answer, DOCTOR_OK,
			   "a program ran under %.300s and has a trace, with "
			   "glibc %s",
			   shim, gnu_get_libc_version());
		return;
	}
	doctor_say(answer, DOCTOR_NO, "%s", said);
	doctor_remedy(answer,
		      "the line above is what the loader or the shim says; glibc from 2.28 "
		      "on is needed, this is %s",
		      gnu_get_libc_version());
}

/* ---- debug files ---- */
struct build_id {
	uint8_t bytes[32];
	size_t length;
};

static void read_notes(const uint8_t *at, const uint8_t *end, struct build_id *id)
{
	while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)at;
		const uint8_t *body = at + sizeof(*note) + ((note->n_namesz + 3u) & ~3u);

		if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz <= sizeof(id->bytes)) {
			memcpy(id->bytes, body, note->n_descsz);
			id->length = note->n_descsz;
			return;
		}
		at = body + ((note->n_descsz + 3u) & ~3u);
	}
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		const uint8_t *at = (const uint8_t *)(info->dlpi_addr + segment->p_vaddr);

		if (segment->p_type == PT_NOTE)
			read_notes(at, at + segment->p_memsz, context);
	}
	return 1;
}

void doctor_debug_info(struct doctor_answer *answer)
{
	struct build_id id = {.length = 0};
	char path[256];
	int at;

	dl_iterate_phdr(find_libc, &id);
	if (id.length < 2) {
		doctor_say(answer, DOCTOR_NOTE,
			   "the C library has no build id: only functions "
			   "that it exports have names");
		return;
	}
	at = snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%02x/", id.bytes[0]);
	for (size_t i = 1; i < id.length; i++)
		at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", id.bytes[i]);
	snprintf(path + at, sizeof(path) - (size_t)at, ".debug");
	if (access(path, R_OK) == 0) {
		doctor_say(answer, DOCTOR_OK, "%s", path);
		return;
	}
	doctor_say(answer, DOCTOR_NOTE,
		   "no debug file of the C library: the names of its "
		   "functions are those that it exports");
	doctor_remedy(answer, "as root: apt-get install libc6-dbg (Fedora: dnf debuginfo-install "
			      "glibc)");
}

/* ---- privacy ---- */
void doctor_privacy(struct doctor_answer *answer)
{
	const char *value = getenv("LLMTRACE_PRIVACY");
	static const char *const holds =
		"a trace holds the command line, paths of files and libraries, names of functions, "
		"threads and marks, host name, CPU model, times and sizes; no contents of memory "
		"or files, and no environment";

	if (value && !strcmp(value, "off")) {
		doctor_say(answer, DOCTOR_NOTE,
			   "%s; LLMTRACE_PRIVACY is off: prompts, keys and "
			   "user names are in it",
			   holds);
		doctor_remedy(answer, "unset LLMTRACE_PRIVACY, or before you share a trace: "
				      "llmtrace-report scrub IN OUT");
		return;
	}
	doctor_say(answer, DOCTOR_OK,
		   "%s; values of prompt, key, token and password options and "
		   "user names in paths are replaced by <length:hash>",
		   holds);
}
