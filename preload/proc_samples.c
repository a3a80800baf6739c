/* SPDX-License-Identifier: MIT */
/* What /proc says; see proc_samples.h. Entered by start-up and by the writer thread. */
#include "hook.h"
#include "proc_samples.h"

#include <string.h>

#include "fault_events.h"
#include "intern.h"
#include "own_fds.h"
#include "pool.h"
#include "privacy.h"
#include "sys.h"
#include "text.h"
#include "writer.h"
#include "writer_emit.h"

#define TEXT_BYTES 65536u

static struct lt_ring *ring;
static uint32_t groups;
static char text[TEXT_BYTES];

void proc_samples_init(struct lt_ring *own_ring, uint32_t wanted_groups)
{
	ring = own_ring;
	groups = wanted_groups;
}

/* ---- mappings ---- */
#define PROT_SHARED 0x100u

struct map_line {
	uint64_t start, end, offset, inode;
	uint32_t prot;
	const char *path; /* "" for none */
};

/* START-END rwxp OFFSET DEV INODE PATH */
static bool parse_map(const char *line, struct map_line *ret_map)
{
	const char *end = strchr(line, '-'), *rights = text_next_word(line), *word;

	if (!end || !rights)
		return false;
	ret_map->start = text_number(line, 16);
	ret_map->end = text_number(end + 1, 16);
	ret_map->prot = (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0) |
			(rights[2] == 'x' ? PROT_EXEC : 0) | (rights[3] == 's' ? PROT_SHARED : 0);
	word = text_next_word(rights);
	ret_map->offset = word ? text_number(word, 16) : 0;
	word = word ? text_next_word(word) : NULL;
	word = word ? text_next_word(word) : NULL;
	ret_map->inode = word ? text_number(word, 10) : 0;
	word = word ? text_next_word(word) : NULL;
	ret_map->path = word ? word : "";
	return true;
}

static void emit_piece(const struct map_line *map, uint64_t start, uint64_t end, const char *path,
		       unsigned at)
{
	uint32_t name = *path ? privacy_intern(path) : 0;

	if (start == end)
		return;
	WRITER_EMIT(ring, map_seen, at, event->addr = start; event->length_bytes = end - start;
		    event->offset_bytes = map->inode ? map->offset + (start - map->start) : 0;
		    event->inode = map->inode; event->prot = map->prot; event->path = name);
}

#define OWN_LABEL "[llmtrace]"

/* What is the shim's own gets a label of its own. */
static void emit_map(const char *line, unsigned at)
{
	struct map_line map;
	uint64_t from, own_start, own_end;

	if (!parse_map(line, &map))
		return;
	if ((pool_path()[0] && !strcmp(map.path, pool_path())) || fault_rings_own(map.start))
		map.path = OWN_LABEL;
	for (from = map.start;
	     !map.inode && sys_memory_in_range(from, map.end, &own_start, &own_end);
	     from = own_end) {
		emit_piece(&map, from, own_start, map.path, at);
		emit_piece(&map, own_start, own_end, OWN_LABEL, at);
	}
	emit_piece(&map, from, map.end, map.path, at);
}

/* Hands every line of a file to a function, however long the file is. */
static void for_each_line(const char *path, void (*visit)(const char *line, unsigned argument),
			  unsigned argument)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0), got;
	size_t used = 0;

	if (fd < 0)
		return;
	while ((got = sys_read((int)fd, text + used, TEXT_BYTES - 1 - used)) > 0) {
		char *line = text, *end;

		used += (size_t)got;
		text[used] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			visit(line, argument);
		}
		used -= (size_t)(line - text);
		memmove(text, line, used);
		if (used == TEXT_BYTES - 1)
			used = 0;
	}
	sys_close((int)fd);
}

static uint64_t wanted_addr;
static char found_path[LT_PATH_BYTES];

static void find_path(const char *line, unsigned argument)
{
	struct map_line map;

	(void)argument;
	if (parse_map(line, &map) && wanted_addr >= map.start && wanted_addr < map.end)
		text_copy(found_path, sizeof(found_path), map.path);
}

bool proc_mapped_path(uint64_t addr, char *ret_path, size_t bytes)
{
	wanted_addr = addr;
	found_path[0] = '\0';
	for_each_line("/proc/self/maps", find_path, 0);
	text_copy(ret_path, bytes, found_path);
	return found_path[0] == '/';
}

void proc_sample_maps(unsigned at)
{
	if (groups & LT_GROUP_maps)
		for_each_line("/proc/self/maps", emit_map, at);
}

/* ---- folders of numbers: descriptors and threads ---- */
static void for_each_number(const char *folder, void (*visit)(uint64_t number, unsigned argument),
			    unsigned argument)
{
	static char entries[8192] __attribute__((aligned(8)));
	long fd = sys_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), got;

	if (fd < 0)
		return;
	while ((got = sys_getdents((int)fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < got;) {
			const struct sys_dirent *entry = (const void *)(entries + at);

			if (entry->name[0] >= '0' && entry->name[0] <= '9' &&
			    text_number(entry->name, 10) != (uint64_t)fd)
				visit(text_number(entry->name, 10), argument);
			at += entry->length;
		}
	sys_close((int)fd);
}

static long read_fd_link(uint64_t fd, char *buffer, size_t bytes)
{
	char path[64];
	long length;

	text_format(path, sizeof(path), "/proc/self/fd/%u", fd);
	length = sys_readlink(path, buffer, bytes - 1);
	buffer[length > 0 ? length : 0] = '\0';
	return length;
}

/* pos is decimal, flags are octal. */
static void read_fd_info(uint64_t fd, int64_t *ret_offset, uint32_t *ret_flags)
{
	char path[64], info[256];
	uint64_t offset = 0;
	const char *flags;

	text_format(path, sizeof(path), "/proc/self/fdinfo/%u", fd);
	*ret_flags = 0;
	*ret_offset = -1;
	if (text_read_file(path, info, sizeof(info)) <= 0)
		return;
	if (text_find_number(info, "pos:", &offset))
		*ret_offset = (int64_t)offset;
	flags = strstr(info, "flags:");
	for (flags += flags ? strlen("flags:") : 0; flags && *flags && *flags != '\n'; flags++)
		if (*flags >= '0' && *flags <= '7')
			*ret_flags = *ret_flags << 3 | (uint32_t)(*flags - '0');
}

/* By way of /proc alone: the writer does not have the target's descriptors. */
static void emit_fd(uint64_t fd, unsigned at)
{
	char path[LT_PATH_BYTES], link[64];
	struct stat stat;
	int64_t offset;
	uint32_t name, flags;

	text_format(link, sizeof(link), "/proc/self/fd/%u", fd);
	if (own_fd_is((int)fd) || read_fd_link(fd, path, sizeof(path)) <= 0 ||
	    SYS_CALL(newfstatat, AT_FDCWD, link, &stat, 0, 0, 0) < 0)
		return;
	read_fd_info(fd, &offset, &flags);
	if (S_ISFIFO(stat.st_mode) || S_ISSOCK(stat.st_mode) || S_ISCHR(stat.st_mode))
		offset = -1;
	name = privacy_intern(path);
	WRITER_EMIT(ring, fd_seen, at, event->fd = (int)fd; event->path = name;
		    event->offset_bytes = offset; event->device = stat.st_dev;
		    event->inode = stat.st_ino; event->file_bytes = (uint64_t)stat.st_size;
		    event->flags = flags;
		    event->file_mode = stat.st_mode);
}

void proc_sample_fds(unsigned at)
{
	if (groups & LT_GROUP_files)
		for_each_number("/proc/self/fd", emit_fd, at);
}

static void look_for_io_uring(uint64_t fd, unsigned argument)
{
	static bool is_noticed;
	char path[64];

	(void)argument;
	if (is_noticed || read_fd_link(fd, path, sizeof(path)) <= 0 ||
	    strcmp(path, "anon_inode:[io_uring]"))
		return;
	is_noticed = true;
	WRITER_EMIT(ring, notice, LT_notice_kind_io_uring_in_use, event->value = fd;
		    event->text = 0; event->reserved = 0);
}

void proc_sample_io_uring(void)
{
	if (groups & LT_GROUP_files)
		for_each_number("/proc/self/fd", look_for_io_uring, 0);
}

/* ---- threads ---- */
#define NAMES_KEPT 4096u

static struct {
	uint32_t tid;
	uint32_t name;
} names[NAMES_KEPT];

/* The name of a thread that was reported last, by tid: names change, and most never do. */
static uint32_t *known_name(uint64_t tid)
{
	uint32_t place = (uint32_t)tid % NAMES_KEPT;

	if (names[place].tid != tid) {
		names[place].tid = (uint32_t)tid;
		names[place].name = 0;
	}
	return &names[place].name;
}

static void emit_thread_name(uint64_t tid)
{
	char path[64], comm[64];
	uint32_t *known = known_name(tid), name;
	long length;

	text_format(path, sizeof(path), "/proc/self/task/%u/comm", tid);
	length = text_read_file(path, comm, sizeof(comm));
	if (length <= 1)
		return;
	name = intern_text(comm, (size_t)length - 1);
	if (name == *known)
		return;
	*known = name;
	WRITER_EMIT(ring, thread_name, LT_name_source_comm, event->tid = (uint32_t)tid;
		    event->name = name; event->handle = 0);
}

static void emit_name_again(uint64_t tid, unsigned argument)
{
	(void)argument;
	if (writer_is_own_thread((int)tid))
		return;
	*known_name(tid) = 0;
	emit_thread_name(tid);
}

void proc_sample_names(void)
{
	if (groups & LT_GROUP_threads)
		for_each_number("/proc/self/task", emit_name_again, 0);
}

struct thread_numbers {
	uint64_t cpu_ns, run_wait_ns, minor, major, voluntary, involuntary, cpu, cpu_mask;
};

/* schedstat: CPU ns, run-queue wait ns, slices. @return false when the thread is gone. */
static bool read_schedstat(const char *folder, struct thread_numbers *numbers)
{
	char path[96], line[128];
	const char *word;

	text_format(path, sizeof(path), "%s/schedstat", folder);
	if (text_read_file(path, line, sizeof(line)) <= 0)
		return false;
	numbers->cpu_ns = text_number(line, 10);
	word = text_next_word(line);
	numbers->run_wait_ns = word ? text_number(word, 10) : 0;
	return true;
}

/* stat: behind the name, field 3 first; minor faults 10, major 12, CPU 39. */
static void read_stat(const char *folder, struct thread_numbers *numbers)
{
	char path[96], line[1024];
	const char *word;

	text_format(path, sizeof(path), "%s/stat", folder);
	if (text_read_file(path, line, sizeof(line)) <= 0)
		return;
	word = text_last(line, ')');
	for (int field = 2; word && field <= 39; field++) {
		if (field == 10)
			numbers->minor = text_number(word, 10);
		else if (field == 12)
			numbers->major = text_number(word, 10);
		else if (field == 39)
			numbers->cpu = text_number(word, 10);
		word = text_next_word(word);
	}
}

/* Cpus_allowed is written in groups of 32 bits, the highest first: the last two hold CPUs 0..63. */
static uint64_t parse_mask(const char *mask)
{
	uint64_t value = 0;

	while (*mask == ' ' || *mask == '\t')
		mask++;
	for (; *mask && *mask != '\n'; mask++)
		if (*mask != ',')
			value = value << 4 | text_number((char[]){*mask, '\0'}, 16);
	return value;
}

static void read_status(const char *folder, struct thread_numbers *numbers)
{
	char path[96], status[4096];
	const char *mask;

	text_format(path, sizeof(path), "%s/status", folder);
	if (text_read_file(path, status, sizeof(status)) <= 0)
		return;
	text_find_number(status, "voluntary_ctxt_switches:", &numbers->voluntary);
	text_find_number(status, "nonvoluntary_ctxt_switches:", &numbers->involuntary);
	mask = strstr(status, "Cpus_allowed:");
	if (mask)
		numbers->cpu_mask = parse_mask(mask + strlen("Cpus_allowed:"));
}

static void emit_thread(uint64_t tid, unsigned argument)
{
	struct thread_numbers numbers = {0};
	char folder[64];

	(void)argument;
	if (writer_is_own_thread((int)tid))
		return;
	writer_keep_up();
	text_format(folder, sizeof(folder), "/proc/self/task/%u", tid);
	if (!read_schedstat(folder, &numbers))
		return;
	read_stat(folder, &numbers);
	read_status(folder, &numbers);
	emit_thread_name(tid);
	WRITER_EMIT(ring, thread_sample, 0, event->cpu_ns = numbers.cpu_ns;
		    event->run_wait_ns = numbers.run_wait_ns; event->tid = (uint32_t)tid;
		    event->minor_fault_count = (uint32_t)numbers.minor;
		    event->major_fault_count = (uint32_t)numbers.major;
		    event->voluntary_switch_count = (uint32_t)numbers.voluntary;
		    event->involuntary_switch_count = (uint32_t)numbers.involuntary;
		    event->cpu = (uint32_t)numbers.cpu; event->cpu_mask = numbers.cpu_mask);
}

void proc_sample_threads(void)
{
	if (groups & LT_GROUP_threads)
		for_each_number("/proc/self/task", emit_thread, 0);
}

/* ---- the process ---- */
static uint64_t timeval_ns(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

bool proc_is_alone(void)
{
	uint64_t threads = 0;
	const char *state;

	if (text_read_file("/proc/self/status", text, TEXT_BYTES) <= 0)
		return false;
	text_find_number(text, "Threads:", &threads);
	state = strstr(text, "State:\t");
	return state && state[strlen("State:\t")] == 'Z' && threads == 1 + writer_own_thread_count();
}

bool proc_sample_process(unsigned at)
{
	char line[512];
	uint64_t rss = 0, file_rss = 0, logical = 0, storage = 0, written = 0, threads = 0;
	struct rusage usage;
	unsigned own_threads = writer_own_thread_count();
	bool has_io, is_main_gone = false;

	if (text_read_file("/proc/self/status", text, TEXT_BYTES) > 0) {
		const char *shmem = strstr(text, "RssShmem:"), *state = strstr(text, "State:\t");

		text_find_number(text, "VmRSS:", &rss);
		text_find_number(text, "RssFile:", &file_rss);
		text_find_number(text, "Threads:", &threads);
		is_main_gone = state && state[strlen("State:\t")] == 'Z';
		if (shmem)
			file_rss += text_number(shmem + strlen("RssShmem:"), 10);
	}
	has_io = text_read_file("/proc/self/io", line, sizeof(line)) > 0 &&
		 text_find_number(line, "rchar:", &logical) &&
		 text_find_number(line, "read_bytes:", &storage) &&
		 text_find_number(line, "write_bytes:", &written);
	memset(&usage, 0, sizeof(usage));
	sys_getrusage(RUSAGE_SELF, &usage);
	WRITER_EMIT(ring, process_sample, at, event->rss_bytes = rss << 10;
		    event->file_rss_bytes = file_rss << 10;
		    event->user_cpu_ns = timeval_ns(&usage.ru_utime);
		    event->system_cpu_ns = timeval_ns(&usage.ru_stime);
		    event->minor_fault_count = (uint64_t)usage.ru_minflt;
		    event->major_fault_count = (uint64_t)usage.ru_majflt;
		    event->logical_read_bytes = logical; event->storage_read_bytes = storage;
		    event->storage_write_bytes = written;
		    event->thread_count =
			    (uint32_t)(threads > own_threads ? threads - own_threads : 0);
		    event->has_io = has_io);
	return is_main_gone && threads == 1 + writer_own_thread_count();
}
