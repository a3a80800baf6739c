/* SPDX-License-Identifier: MIT */
/*
 * llmtrace ctl PID start|stop|mark NAME. The pool of the process is found by its mapping, through
 * /proc/PID/root, so it does not matter in which namespaces the process lives. Nothing in it is
 * trusted: extents are looked at only where the file has them.
 */
#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "llmtrace/control.h"
#include "llmtrace/pool.h"
#include "say.h"

#define NAP_NS 5000000
#define ANSWER_NS 2000000000ull
#define LINE_BYTES (PATH_MAX + 256)

/* What the mappings of a process say of its recording. */
struct look {
	char pool[PATH_MAX];
	bool has_pool, has_shim, is_pool_gone;
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && !strcmp(text + length - end_length, end);
}

static void look_at_line(struct look *look, char *line)
{
	static const char deleted[] = " (deleted)";
	char *path = strchr(line, '/');
	bool is_gone;

	line[strcspn(line, "\n")] = '\0';
	if (!path || strlen(path) >= sizeof(look->pool))
		return;
	is_gone = ends_with(path, deleted);
	if (is_gone)
		path[strlen(path) - strlen(deleted)] = '\0';
	look->has_shim |= ends_with(path, "/libllmtrace.so");
	if (!ends_with(path, ".pool") || !strstr(line, " rw-s "))
		return;
	look->is_pool_gone |= is_gone;
	if (is_gone)
		return;
	look->has_pool = true;
	strcpy(look->pool, path);
}

static int look_at(int pid, struct look *ret_look)
{
	char path[64], line[LINE_BYTES];
	FILE *maps;
	size_t length;

	*ret_look = (struct look){.has_pool = false};
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps && errno == ENOENT)
		return refuse("there is no process %d", pid);
	if (!maps)
		return refuse("process %d cannot be looked at (%s): it is another user's", pid,
			      strerror(errno));
	while (fgets(line, sizeof(line), maps))
		look_at_line(ret_look, line);
	length = ferror(maps) ? 1 : 0;
	fclose(maps);
	if (length)
		return refuse("process %d cannot be looked at: it is another user's", pid);
	if (ret_look->has_pool)
		return 0;
	if (ret_look->is_pool_gone)
		return refuse("process %d has closed its trace", pid);
	return ret_look->has_shim
		       ? refuse("process %d is not recorded, or its rings lie in its own memory "
				"(/dev/shm and the trace's folder had no room): ctl cannot reach "
				"it",
				pid)
		       : refuse("process %d is not traced: start it with llmtrace run", pid);
}

static int open_pool(int pid, const struct look *look, int *ret_fd)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "/proc/%d/root%s", pid, look->pool);
	*ret_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*ret_fd >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return refuse("process %d is another user's: its rings cannot be opened", pid);
	return refuse("the rings of process %d (%s) cannot be opened: %s", pid, look->pool,
		      strerror(errno));
}

static bool read_all(int fd, void *bytes, size_t length, uint64_t offset)
{
	return pread(fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* @return where the control page lies in the pool file, 0 when there is none. */
static uint64_t control_offset(const struct lt_pool_header *pool, uint64_t file_bytes)
{
	for (uint32_t i = 0; i < pool->extent_count && i < LT_EXTENT_MAX; i++) {
		const struct lt_extent *extent = &pool->extents[i];

		if (extent->type == LT_EXTENT_CONTROL && extent->bytes == LT_CONTROL_BYTES &&
		    extent->offset % LT_CONTROL_BYTES == 0 && extent->offset <= file_bytes &&
		    extent->bytes <= file_bytes - extent->offset)
			return extent->offset;
	}
	return 0;
}

static int map_control(int pid, int fd, struct lt_control **ret_control)
{
	static struct lt_pool_header header;
	struct lt_control *control;
	struct stat status;
	uint64_t offset;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	    !read_all(fd, &header, sizeof(header), 0) ||
	    memcmp(header.magic, LT_POOL_MAGIC, sizeof(header.magic)) != 0)
		return refuse("what process %d has mapped are no rings of llmtrace", pid);
	if (header.version != LT_POOL_VERSION || header.header_bytes != sizeof(header))
		return refuse("process %d is recorded by another version of llmtrace", pid);
	if (header.is_closed)
		return refuse("process %d has closed its trace", pid);
	offset = control_offset(&header, (uint64_t)status.st_size);
	if (!offset)
		return refuse("process %d is recorded by an older version of llmtrace, without ctl",
			      pid);
	control =
		mmap(NULL, LT_CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (control == MAP_FAILED)
		return refuse("the control page of process %d cannot be mapped: %s", pid,
			      strerror(errno));
	*ret_control = control;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap(void)
{
	nanosleep(&(struct timespec){0, NAP_NS}, NULL);
}

/* One ctl at a time; the kernel gives the lock back when one dies. */
static bool lock(int fd)
{
	uint64_t until_ns = now_ns() + ANSWER_NS;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (now_ns() > until_ns)
			return false;
		nap();
	}
	return true;
}

/* @return whether there was an answer. */
static bool ask(struct lt_control *control, uint32_t request, const char *name)
{
	uint64_t until_ns = now_ns() + ANSWER_NS;
	uint32_t number = control->number + 1 ? control->number + 1 : 1;

	memset(control->name, 0, sizeof(control->name));
	strncpy(control->name, name, sizeof(control->name) - 1);
	control->number = number;
	__atomic_store_n(&control->request, request, __ATOMIC_RELEASE);
	while (__atomic_load_n(&control->answered, __ATOMIC_ACQUIRE) != number) {
		if (now_ns() > until_ns) {
			__atomic_store_n(&control->request, 0, __ATOMIC_RELEASE);
			return false;
		}
		nap();
	}
	return true;
}

static int tell(int pid, uint32_t request, const char *name, uint32_t answer)
{
	const char *state = request == LT_CONTROL_START ? "on" : "off";

	switch (answer) {
	case LT_CONTROL_DONE:
		if (request == LT_CONTROL_MARK)
			say(stdout, "process %d: mark %s", pid, name);
		else
			printf("process %d: recording is %s\n", pid, state);
		return 0;
	case LT_CONTROL_ALREADY:
		printf("process %d: recording was %s already\n", pid, state);
		return 0;
	case LT_CONTROL_IS_OFF:
		return refuse("process %d: recording is off; llmtrace ctl %d start", pid, pid);
	case LT_CONTROL_NO_PHASES:
		return refuse("process %d records no phases: add them to LLMTRACE_EVENTS", pid);
	default:
		return refuse("process %d is starting or ending: try again", pid);
	}
}

static int carry_out(int pid, int fd, uint32_t request, const char *name)
{
	struct lt_control *control = NULL;
	int error = map_control(pid, fd, &control);

	if (!control)
		return error;
	if (!lock(fd))
		return refuse("another llmtrace ctl is busy with process %d", pid);
	if (!ask(control, request, name))
		return refuse("process %d does not answer: it is stopped, or its trace cannot be "
			      "written",
			      pid);
	return tell(pid, request, name, control->answer);
}

static uint32_t request_of(int argc, char **argv, const char **ret_name)
{
	*ret_name = "";
	if (argc == 3 && !strcmp(argv[2], "start"))
		return LT_CONTROL_START;
	if (argc == 3 && !strcmp(argv[2], "stop"))
		return LT_CONTROL_STOP;
	if (argc != 4 || strcmp(argv[2], "mark") || !argv[3][0])
		return 0;
	*ret_name = argv[3];
	return LT_CONTROL_MARK;
}

int ctl(int argc, char **argv)
{
	struct look look;
	const char *name;
	char *end = NULL;
	uint32_t request = request_of(argc, argv, &name);
	long pid = argc > 1 ? strtol(argv[1], &end, 10) : 0;
	int fd, result;

	if (!request || !end || *end || pid <= 0 || pid > INT_MAX)
		return refuse("use: llmtrace ctl PID start|stop|mark NAME");
	if (strlen(name) >= LT_CONTROL_NAME_BYTES)
		return refuse("a mark has a name of at most %u bytes", LT_CONTROL_NAME_BYTES - 1);
	result = look_at((int)pid, &look);
	if (!result)
		result = open_pool((int)pid, &look, &fd);
	if (result)
		return result;
	result = carry_out((int)pid, fd, request, name);
	close(fd);
	return result;
}
