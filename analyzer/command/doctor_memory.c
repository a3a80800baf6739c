/* SPDX-License-Identifier: MIT */
/* Checks on memory and on places for files; see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor.h"

#define MIB (UINT64_C(1) << 20)
#define SHM_ROOM_BYTES (256 * MIB) /* below that the shim goes elsewhere */
#define OUTPUT_ROOM_BYTES (64 * MIB)
#define TRY_BYTES MIB

static uint64_t room_of(const char *folder)
{
	struct statvfs status;

	return statvfs(folder, &status) == 0 ? (uint64_t)status.f_bavail * status.f_frsize : 0;
}

/* Makes a file, gives it space, maps it, removes it. @return 0 or an errno. */
static int try_file(const char *folder)
{
	char path[PATH_MAX];
	int fd, error;
	void *addr;

	snprintf(path, sizeof(path), "%s/llmtrace-doctor-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return errno;
	unlink(path);
	error = posix_fallocate(fd, 0, TRY_BYTES);
	if (!error) {
		addr = mmap(NULL, TRY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		error = addr == MAP_FAILED ? errno : 0;
		if (!error)
			munmap(addr, TRY_BYTES);
	}
	close(fd);
	return error;
}

void doctor_rings(struct doctor_answer *answer)
{
	uint64_t room = room_of("/dev/shm");
	int error = try_file("/dev/shm");

	if (!error && room >= SHM_ROOM_BYTES) {
		doctor_say(answer, DOCTOR_OK, "%" PRIu64 " MiB are free", room / MIB);
		return;
	}
	doctor_say(answer, DOCTOR_PARTLY,
		   "%s, %" PRIu64 " MiB are free and 256 are wanted: the rings go beside the "
		   "trace, where writing them back costs the program time",
		   error ? strerror(error) : "works", room / MIB);
	doctor_remedy(answer, "as root: mount -o remount,size=1G /dev/shm; docker and podman: "
			      "--shm-size=1g");
}

/* The folder of LLMTRACE_OUTPUT, else this one. */
static void output_folder(char *buffer, size_t bytes)
{
	const char *output = getenv("LLMTRACE_OUTPUT");
	char *slash;

	snprintf(buffer, bytes, "%s", output && *output ? output : "trace.zst");
	slash = strrchr(buffer, '/');
	if (!slash)
		snprintf(buffer, bytes, ".");
	else
		slash[slash == buffer] = '\0';
}

void doctor_output(struct doctor_answer *answer)
{
	char folder[PATH_MAX], real[PATH_MAX];
	struct rlimit limit;
	uint64_t room;
	int error;

	output_folder(folder, sizeof(folder));
	if (!realpath(folder, real))
		snprintf(real, sizeof(real), "%s", folder);
	error = try_file(folder);
	room = room_of(folder);
	if (error && error != EOPNOTSUPP && error != ENODEV) {
		doctor_say(answer, DOCTOR_NO, "%.300s: %s", real, strerror(error));
		doctor_remedy(answer, "export LLMTRACE_OUTPUT=/tmp/trace.zst, or another place "
				      "that can be written");
	} else if (room < OUTPUT_ROOM_BYTES) {
		doctor_say(answer, DOCTOR_PARTLY, "%.300s has %" PRIu64 " MiB left", real,
			   room / MIB);
		doctor_remedy(answer, "export LLMTRACE_OUTPUT=/PLACE/WITH/ROOM/trace.zst");
	} else if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < OUTPUT_ROOM_BYTES) {
		doctor_say(answer, DOCTOR_PARTLY, "files may have %" PRIu64 " KiB (ulimit -f)",
			   (uint64_t)limit.rlim_cur >> 10);
		doctor_remedy(answer, "ulimit -f unlimited");
	} else {
		doctor_say(answer, DOCTOR_OK, "%.300s, %" PRIu64 " MiB are free", real, room / MIB);
	}
}

/* Whether more than the limit can be locked: pages that nobody touches take no memory. */
static bool can_lock_more(uint64_t limit_bytes)
{
	size_t bytes = (size_t)limit_bytes + 16 * (size_t)sysconf(_SC_PAGESIZE);
	void *addr = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can = addr != MAP_FAILED && mlock2(addr, bytes, MLOCK_ONFAULT) == 0;

	if (addr != MAP_FAILED)
		munmap(addr, bytes);
	return can;
}

void doctor_memlock(struct doctor_answer *answer)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
		doctor_say(answer, DOCTOR_OK, "unlimited");
	} else if (can_lock_more(limit.rlim_cur)) {
		doctor_say(answer, DOCTOR_OK,
			   "the limit of %" PRIu64 " KiB does not bind this user",
			   (uint64_t)limit.rlim_cur >> 10);
	} else {
		doctor_say(answer, DOCTOR_NOTE,
			   "the limit is %" PRIu64
			   " KiB: a larger model cannot be locked (--mlock)",
			   (uint64_t)limit.rlim_cur >> 10);
		doctor_remedy(answer, "ulimit -l unlimited (for good: memlock in "
				      "/etc/security/limits.conf; docker: --ulimit memlock=-1)");
	}
}

void doctor_huge_pages(struct doctor_answer *answer)
{
	char mode[128], count[32] = "?";

	if (!doctor_read("/sys/kernel/mm/transparent_hugepage/enabled", mode, sizeof(mode))) {
		doctor_say(answer, DOCTOR_NONE, "the kernel has no transparent huge pages");
		return;
	}
	doctor_read("/proc/sys/vm/nr_hugepages", count, sizeof(count));
	doctor_say(answer, strstr(mode, "[never]") ? DOCTOR_NOTE : DOCTOR_OK,
		   "transparent huge pages: %s; reserved: %s", mode, count);
	if (strstr(mode, "[never]"))
		doctor_remedy(answer, "as root: echo madvise > "
				      "/sys/kernel/mm/transparent_hugepage/enabled");
}
