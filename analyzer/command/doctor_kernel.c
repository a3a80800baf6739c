/* SPDX-License-Identifier: MIT */
/* Checks on what the kernel lets a process see; see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#define CACHESTAT_NUMBER 451 /* the same on all machines */
#define RING_PAGES 64u
#define SECCOMP_FILTERS 2

void doctor_kernel(struct doctor_answer *answer)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *addr = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can = addr != MAP_FAILED && madvise(addr, page, MADV_WIPEONFORK) == 0;
	struct utsname names;

	if (addr != MAP_FAILED)
		munmap(addr, page);
	uname(&names);
	if (can) {
		doctor_say(answer, DOCTOR_OK, "Linux %s on %s", names.release, names.machine);
		return;
	}
	doctor_say(answer, DOCTOR_NO, "Linux %s has no MADV_WIPEONFORK: nothing is recorded",
		   names.release);
	doctor_remedy(answer, "use Linux 4.14 or later");
}

/* The flags line of /proc/cpuinfo is longer than any buffer that one would like. */
static bool has_flag(const char *flag)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	size_t capacity = 0;
	bool is_found = false;

	while (file && getline(&line, &capacity, file) > 0 && strncmp(line, "flags", 5))
		;
	if (line && !strncmp(line, "flags", 5))
		for (char *rest, *word = strtok_r(line, " \t\n", &rest); word && !is_found;
		     word = strtok_r(NULL, " \t\n", &rest))
			is_found = !strcmp(word, flag);
	free(line);
	if (file)
		fclose(file);
	return is_found;
}

void doctor_clock(struct doctor_answer *answer)
{
	bool is_steady = has_flag("constant_tsc") && has_flag("nonstop_tsc");
	char source[64] = "unknown";

	doctor_read("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
		    sizeof(source));
	if (is_steady)
		doctor_say(answer, DOCTOR_OK,
			   "the time stamp counter is steady (the kernel's clock: %s)", source);
	else
		doctor_say(answer, DOCTOR_NOTE,
			   "the time stamp counter is not steady here (the kernel's clock: %s); "
			   "the kernel is asked for the time, which makes each event dearer",
			   source);
}

/* ---- perf events ---- */
static int open_faults(bool with_kernel)
{
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(event),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR | PERF_SAMPLE_TID,
		.exclude_kernel = !with_kernel,
		.exclude_hv = 1,
		.disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void paranoid(char *buffer, size_t bytes)
{
	if (!doctor_read("/proc/sys/kernel/perf_event_paranoid", buffer, bytes))
		snprintf(buffer, bytes, "not there");
}

static void refuse_faults(struct doctor_answer *answer, int error, const char *level)
{
	bool is_filtered = doctor_status_number("Seccomp:") == SECCOMP_FILTERS;

	doctor_say(answer, DOCTOR_NO, "perf_event_open: %s; kernel.perf_event_paranoid is %s%s",
		   strerror(error), level, is_filtered ? "; system calls are filtered" : "");
	if (error == ENOSYS || error == ENOENT)
		doctor_remedy(answer, "use a kernel with CONFIG_PERF_EVENTS");
	else if (atoi(level) > 2)
		doctor_remedy(answer, "as root: sysctl -w kernel.perf_event_paranoid=2");
	else if (is_filtered)
		doctor_remedy(answer, "start the container with --cap-add PERFMON (docker, podman; "
				      "older ones: SYS_ADMIN)");
	else
		doctor_remedy(answer, "as root: setcap cap_perfmon+ep PROGRAM, or ask the "
				      "security module's log who refuses");
}

void doctor_faults(struct doctor_answer *answer)
{
	char level[32];
	int fd = open_faults(true), error = errno;

	paranoid(level, sizeof(level));
	if (fd >= 0) {
		doctor_say(answer, DOCTOR_OK,
			   "perf events of this user work, those inside the kernel too "
			   "(kernel.perf_event_paranoid is %s)",
			   level);
		close(fd);
		return;
	}
	fd = open_faults(false);
	if (fd < 0) {
		refuse_faults(answer, errno ? errno : error, level);
		return;
	}
	close(fd);
	doctor_say(answer, DOCTOR_PARTLY,
		   "those of the program are seen; those inside of system calls, such as a read "
		   "into fresh memory, are counted only (kernel.perf_event_paranoid is %s)",
		   level);
	doctor_remedy(answer, "as root: sysctl -w kernel.perf_event_paranoid=1");
}

void doctor_fault_rings(struct doctor_answer *answer)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open_faults(false);
	void *ring;

	if (fd < 0) {
		doctor_say(answer, DOCTOR_NONE, "not tried without perf events");
		return;
	}
	ring = mmap(NULL, (1 + RING_PAGES) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring != MAP_FAILED) {
		doctor_say(answer, DOCTOR_OK, "a ring of %u pages could be mapped", RING_PAGES);
		munmap(ring, (1 + RING_PAGES) * page);
	} else {
		char budget[32] = "?";

		doctor_read("/proc/sys/kernel/perf_event_mlock_kb", budget, sizeof(budget));
		doctor_say(answer, DOCTOR_NO,
			   "a ring of %u pages cannot be mapped: %s; kernel.perf_event_mlock_kb "
			   "is %s, and other users of perf may have it",
			   RING_PAGES, strerror(errno), budget);
		doctor_remedy(answer, "as root: sysctl -w kernel.perf_event_mlock_kb=8192, or "
				      "ulimit -l unlimited");
	}
	close(fd);
}

/* ---- files ---- */
void doctor_page_cache(struct doctor_answer *answer)
{
	struct {
		uint64_t offset, length;
	} range = {0, 0};
	uint64_t numbers[5];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	long result = syscall(CACHESTAT_NUMBER, fd, &range, numbers, 0);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (result == 0) {
		doctor_say(answer, DOCTOR_OK, "cachestat works");
		return;
	}
	if (error == ENOSYS) {
		doctor_say(answer, DOCTOR_PARTLY,
			   "the kernel has no cachestat: mincore on mapped "
			   "files is the only way");
		doctor_remedy(answer, "use Linux 6.5 or later");
		return;
	}
	doctor_say(answer, DOCTOR_PARTLY,
		   "cachestat on this very program: %s; the kernel answers for files that one "
		   "owns or may write",
		   strerror(error));
	doctor_remedy(answer, "as the owner of the model: chown, or run as its owner");
}

void doctor_proc(struct doctor_answer *answer)
{
	static const char *const names[] = {"io", "status", "maps", "smaps", "schedstat", "stat"};
	char missing[128] = "", path[64], line[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", names[i]);
		if (doctor_read(path, line, sizeof(line)))
			continue;
		strcat(missing, " ");
		strcat(missing, path);
	}
	if (!missing[0]) {
		doctor_say(answer, DOCTOR_OK, "all that is read there can be read");
		return;
	}
	doctor_say(answer, DOCTOR_PARTLY, "cannot be read:%s", missing);
	doctor_remedy(answer, "mount -t proc proc /proc, or use a kernel with "
			      "CONFIG_TASK_IO_ACCOUNTING and CONFIG_SCHED_INFO");
}

/* ---- processes ---- */

/* Tries on two children: one that waits, and one that is not its parent. @return 0 or an errno. */
static int try_to_seize(void)
{
	pid_t target = fork(), tracer = -1;
	int status = 0;

	if (target == 0)
		for (;;)
			pause();
	if (target > 0)
		tracer = fork();
	if (tracer == 0)
		_exit(ptrace(PTRACE_SEIZE, target, NULL, NULL) == 0 ? 0 : errno);
	if (tracer > 0)
		waitpid(tracer, &status, 0);
	if (target > 0) {
		kill(target, SIGKILL);
		waitpid(target, NULL, 0);
	}
	return tracer > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

void doctor_ptrace(struct doctor_answer *answer)
{
	char scope[32] = "not there";
	int error = try_to_seize();

	doctor_read("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (!error) {
		doctor_say(answer, DOCTOR_OK, "works (kernel.yama.ptrace_scope is %s)", scope);
		return;
	}
	doctor_say(answer, DOCTOR_NOTE,
		   "ptrace of another process: %s (kernel.yama.ptrace_scope is %s); programs that "
		   "are started under llmtrace need none",
		   strerror(error), scope);
	if (atoi(scope) > 0)
		doctor_remedy(answer, "as root: sysctl -w kernel.yama.ptrace_scope=0");
	else
		doctor_remedy(answer, "start the container with --cap-add SYS_PTRACE");
}

void doctor_container(struct doctor_answer *answer)
{
	bool is_container = access("/.dockerenv", F_OK) == 0 ||
			    access("/run/.containerenv", F_OK) == 0 || getenv("container");
	long filters = doctor_status_number("Seccomp:");

	if (!is_container && filters != SECCOMP_FILTERS)
		doctor_say(answer, DOCTOR_OK, "none");
	else
		doctor_say(answer, DOCTOR_NOTE,
			   "%s, system calls are %sfiltered: where a check "
			   "fails here, the host may allow it",
			   is_container ? "in a container" : "not in a container that is known",
			   filters == SECCOMP_FILTERS ? "" : "not ");
}
