/* SPDX-License-Identifier: MIT */
/*
 * The pool file from the shim's side; see pool.h. Space is allocated before it is mapped, so a full
 * file system shows here as an error and never as SIGBUS in a hook.
 */
#include "pool.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/vfs.h>

#include "clock.h"
#include "identity.h"
#include "own_fds.h"
#include "privacy.h"
#include "ring.h"
#include "sys.h"
#include "text.h"

#define RINGS_PER_EXTENT 4u
#define FREE_RINGS_MIN 2u
/*
 * With so many rings the writer is asked to give those of ended threads back at once, a batch each
 * time; with fewer it is asked for some more when the last one is taken.
 */
#define MANY_RINGS 64u
#define SHM_ROOM_BYTES (256u << 20) /* a container has 64 MiB by default: the target needs them */
#define TAKE_YIELDS 4
#define TAKE_NAP_NS 100000u
#define TAKE_PATIENCE_NS 500000000u /* whoever adds rings may have lost its core */
#define REFUSED_NS 10000000u
#define WRITER_NAP_NS 1000000u
#define WRITER_PATIENCE_NS 200000000u
#define UNANSWERED_NS 1000000000u /* nobody asks a writer again that has not answered */
#define POOL_MEMORY_BYTES ((sizeof(struct lt_pool_header) + 4095u) & ~4095u)

struct lt_pool_header *pool_header;
uint64_t pool_refused_count;
bool pool_is_short;

static char path[LT_POOL_PATH_BYTES];
static int handle = -1;
static uint64_t device, inode;
static uint64_t file_bytes;
static uint64_t memory_bytes; /* extents that are not in the file */
static uint32_t grow_lock;
static uint32_t next_stream = 2; /* 1 is the writer's own */
static struct mapped {
	void *addr;
	uint64_t bytes;
} mapped[LT_EXTENT_MAX + 1]; /* all of it, for pool_leave */
static uint32_t mapped_count;
static struct lt_ring *ring_extents[LT_EXTENT_MAX];
static uint32_t ring_extent_count;
static uint8_t free_rings[LT_EXTENT_MAX]; /* a bit for each ring of an extent */
static uint32_t free_count;
static uint64_t refused_at_ns;
static uint32_t waiting_count; /* threads that have asked the writer for rings */
static uint64_t unanswered_until_ns;

const char *pool_path(void)
{
	return path;
}

uint64_t pool_bytes(void)
{
	return __atomic_load_n(&file_bytes, __ATOMIC_RELAXED) +
	       __atomic_load_n(&memory_bytes, __ATOMIC_RELAXED);
}

static bool is_ours(long fd)
{
	struct stat stat;

	return fd >= 0 && sys_fstat((int)fd, &stat) == 0 && stat.st_dev == device &&
	       stat.st_ino == inode;
}

/*
 * The target may have closed our number, and may have a file of its own there now. Opening the file
 * again is for the writer: in the table of the target it would take a number for a moment, and the
 * target may not be allowed to, or see another file by that name.
 */
static int usable_fd(bool may_open, bool *ret_is_new)
{
	long fd = own_fd_number(handle);

	*ret_is_new = !is_ours(fd);
	if (!*ret_is_new)
		return (int)fd;
	if (!may_open)
		return -1;
	fd = sys_open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd >= 0 && !is_ours(fd)) {
		sys_close((int)fd);
		fd = -1;
	}
	return (int)fd;
}

/* Space of the file, allocated and mapped. */
static void *map_file_space(uint64_t bytes, bool may_open)
{
	bool is_new;
	int fd = usable_fd(may_open, &is_new);
	void *addr = NULL;

	if (fd < 0)
		return NULL;
	if (file_bytes + bytes <= sys_file_limit() && sys_fallocate(fd, file_bytes, bytes) == 0)
		addr = sys_map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			       file_bytes);
	if (is_new)
		sys_close(fd);
	return addr;
}

static void *map_memory(uint64_t bytes)
{
	return sys_map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1,
		       0);
}

static bool has_room(const char *folder)
{
	struct statfs stat;

	return SYS_CALL(statfs, folder, &stat, 0, 0, 0, 0) == 0 &&
	       (uint64_t)stat.f_bavail * (uint64_t)stat.f_bsize >= SHM_ROOM_BYTES;
}

/*
 * Whether the file at path is of an earlier program of this very process that has ended its trace.
 * Where it has not, the file is the only copy of what it recorded last.
 */
static bool is_closed_pool(void)
{
	uint32_t is_closed = 0;
	long fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);

	if (fd < 0)
		return false;
	sys_pread((int)fd, &is_closed, sizeof(is_closed),
		  offsetof(struct lt_pool_header, is_closed));
	sys_close((int)fd);
	return is_closed;
}

static bool open_file(void)
{
	struct stat stat;
	long opened = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (opened == -EEXIST && is_closed_pool() && sys_unlink(path) == 0)
		opened = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (opened < 0)
		return false;
	if (sys_fstat((int)opened, &stat) == 0) {
		device = stat.st_dev;
		inode = stat.st_ino;
	}
	handle = own_fd_adopt((int)opened);
	return handle >= 0;
}

static bool try_place(void)
{
	if (!open_file())
		return false;
	pool_header = map_file_space(POOL_MEMORY_BYTES, false);
	if (pool_header)
		return true;
	own_fd_close(handle);
	sys_unlink(path);
	handle = -1;
	return false;
}

static bool place(const char *trace_path)
{
	const struct identity *self = identity_get();

	if (has_room(LT_POOL_SHM_FOLDER)) {
		text_format(path, sizeof(path), LT_POOL_SHM_FORMAT, (uint64_t)self->pid,
			    self->start_ticks);
		if (try_place())
			return true;
	}
	if (trace_path[0] && strlen(trace_path) + 128 < sizeof(path)) {
		text_format(path, sizeof(path), "%s.%u.pool", trace_path, (uint64_t)self->pid);
		if (try_place())
			return true;
	}
	path[0] = '\0';
	pool_header = map_memory(POOL_MEMORY_BYTES);
	return pool_header;
}

/* Under the lock, or before any other thread. */
static void remember(void *addr, uint64_t bytes)
{
	mapped[mapped_count] = (struct mapped){addr, bytes};
	__atomic_store_n(&mapped_count, mapped_count + 1, __ATOMIC_RELEASE);
}

bool pool_hold(void)
{
	uint64_t since_ns = clock_monotonic_ns();

	while (__atomic_exchange_n(&grow_lock, 1, __ATOMIC_ACQUIRE)) {
		if (clock_monotonic_ns() - since_ns > TAKE_PATIENCE_NS)
			return false;
		sys_futex_wait(&grow_lock, 1, TAKE_NAP_NS);
	}
	return true;
}

void pool_release(void)
{
	__atomic_store_n(&grow_lock, 0, __ATOMIC_RELEASE);
}

void pool_leave(void)
{
	for (uint32_t i = 0; i < mapped_count; i++)
		SYS_CALL(mmap, mapped[i].addr, mapped[i].bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (handle >= 0)
		own_fd_close(handle);
	handle = -1;
}

bool pool_init(const char *trace_path)
{
	const struct identity *self = identity_get();

	if (!place(trace_path))
		return false;
	file_bytes = POOL_MEMORY_BYTES;
	remember(pool_header, POOL_MEMORY_BYTES);
	pool_header->version = LT_POOL_VERSION;
	pool_header->header_bytes = sizeof(*pool_header);
	pool_header->pid = (uint32_t)self->pid;
	pool_header->process_start_ticks = self->start_ticks;
	pool_header->pid_namespace = self->pid_namespace;
	memcpy(pool_header->boot_id, self->boot_id, sizeof(pool_header->boot_id));
	privacy_path(trace_path, strlen(trace_path), pool_header->trace_path,
		     sizeof(pool_header->trace_path));
	pool_header->is_trace_path_real = !strcmp(pool_header->trace_path, trace_path);
	memcpy(pool_header->magic, LT_POOL_MAGIC, sizeof(pool_header->magic));
	return true;
}

static void add_extent(enum lt_extent_type type, uint32_t index, uint64_t bytes)
{
	struct lt_extent *extent = &pool_header->extents[pool_header->extent_count];

	extent->offset = file_bytes;
	extent->bytes = bytes;
	extent->index = index;
	__atomic_store_n(&extent->type, (uint32_t)type, __ATOMIC_RELEASE);
	__atomic_store_n(&pool_header->extent_count, pool_header->extent_count + 1,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&file_bytes, file_bytes + bytes, __ATOMIC_RELAXED);
}

/*
 * Without space in the file the memory is anonymous: recorded, but gone when the process is killed.
 */
static void *grow(enum lt_extent_type type, uint32_t index, uint64_t bytes, bool may_open,
		  bool *ret_is_busy)
{
	void *addr = NULL;

	*ret_is_busy = __atomic_exchange_n(&grow_lock, 1, __ATOMIC_ACQUIRE);
	if (*ret_is_busy)
		return NULL;
	if (mapped_count > LT_EXTENT_MAX)
		bytes = 0;
	if (bytes && handle >= 0 && pool_header->extent_count < LT_EXTENT_MAX)
		addr = map_file_space(bytes, may_open);
	if (addr) {
		add_extent(type, index, bytes);
	} else if (bytes) {
		addr = map_memory(bytes);
		if (addr)
			__atomic_store_n(&memory_bytes, memory_bytes + bytes, __ATOMIC_RELAXED);
		pool_header->memory_extent_count += addr && handle >= 0;
	}
	if (addr)
		remember(addr, bytes);
	__atomic_store_n(&grow_lock, 0, __ATOMIC_RELEASE);
	return addr;
}

void *pool_grow(enum lt_extent_type type, uint32_t index, uint64_t bytes)
{
	bool is_busy;

	return grow(type, index, bytes, true, &is_busy);
}

/* @return false when there is no memory, or, with *ret_is_busy, when another thread is at it. */
static bool add_rings(bool may_open, bool *ret_is_busy)
{
	uint32_t number = __atomic_load_n(&ring_extent_count, __ATOMIC_ACQUIRE);
	struct lt_ring *rings = grow(LT_EXTENT_RINGS, RINGS_PER_EXTENT,
				     (uint64_t)RINGS_PER_EXTENT * LT_RING_BYTES, may_open,
				     ret_is_busy);

	if (!rings)
		return false;
	for (uint32_t i = 0; i < RINGS_PER_EXTENT; i++)
		rings[i].slot_count = LT_RING_SLOTS;
	/* the place may have been taken by another thread that grew meanwhile */
	for (; number < LT_EXTENT_MAX; number++) {
		struct lt_ring *expected = NULL;

		if (__atomic_compare_exchange_n(&ring_extents[number], &expected, rings, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			break;
	}
	__atomic_store_n(&free_rings[number], (1u << RINGS_PER_EXTENT) - 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&ring_extent_count, 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&free_count, RINGS_PER_EXTENT, __ATOMIC_RELAXED);
	if (__atomic_load_n(&waiting_count, __ATOMIC_ACQUIRE))
		sys_futex_wake(&ring_extent_count, INT_MAX);
	return true;
}

uint32_t pool_ring_count(void)
{
	return __atomic_load_n(&ring_extent_count, __ATOMIC_ACQUIRE) * RINGS_PER_EXTENT;
}

struct lt_ring *pool_ring(uint32_t index)
{
	return &ring_extents[index / RINGS_PER_EXTENT][index % RINGS_PER_EXTENT];
}

static struct lt_ring *set_up_ring(struct lt_ring *ring, int tid)
{
	__atomic_store_n(&ring->state, LT_RING_TAKEN, __ATOMIC_RELEASE);
	ring->tid = (uint32_t)tid;
	ring->start = clock_now();
	ring->first_position = ring->head;
	ring->known_tail = ring->tail;
	__atomic_store_n(&ring->stream, __atomic_fetch_add(&next_stream, 1, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&ring->state, LT_RING_IN_USE, __ATOMIC_RELEASE);
	return ring;
}

/* left: rings that are free. */
static void call_writer(uint32_t count, uint32_t left)
{
	bool is_short = left < FREE_RINGS_MIN && count >= MANY_RINGS;

	if (is_short)
		__atomic_store_n(&pool_is_short, true, __ATOMIC_RELEASE);
	if (is_short || !left)
		ring_wake_writer();
}

/* The first free one: it is the likeliest to be in the caches. */
static struct lt_ring *take_free(int tid)
{
	uint32_t count = __atomic_load_n(&ring_extent_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++) {
		uint8_t bits = __atomic_load_n(&free_rings[i], __ATOMIC_ACQUIRE);
		unsigned ring;

		while (bits && !__atomic_compare_exchange_n(&free_rings[i], &bits,
							    (uint8_t)(bits & (bits - 1)), false,
							    __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
			;
		if (!bits)
			continue;
		ring = (unsigned)__builtin_ctz(bits);
		call_writer(count * RINGS_PER_EXTENT,
			    __atomic_sub_fetch(&free_count, 1, __ATOMIC_RELAXED));
		return set_up_ring(&ring_extents[i][ring], tid);
	}
	return NULL;
}

/* @return false when no rings were added for too long, by whoever is adding them. */
static bool wait_for_rings(uint32_t *count, uint32_t *tries, uint64_t *since_ns)
{
	uint32_t now = __atomic_load_n(&ring_extent_count, __ATOMIC_ACQUIRE);

	if (now != *count) {
		*count = now;
		*tries = 0;
	}
	if (*tries == 0)
		*since_ns = clock_monotonic_ns();
	if ((*tries)++ < TAKE_YIELDS)
		SYS_CALL(sched_yield, 0, 0, 0, 0, 0, 0);
	else
		sys_futex_wait(&grow_lock, 1, TAKE_NAP_NS);
	return clock_monotonic_ns() - *since_ns < TAKE_PATIENCE_NS;
}

/*
 * The writer alone has a descriptor of the file, and the rights and the root that recording started
 * with. @return NULL when it has made no ring for too long, or when this thread need not ask.
 */
static struct lt_ring *ask_writer(int tid)
{
	uint64_t since_ns = clock_monotonic_ns(), now_ns = since_ns;
	struct lt_ring *ring = NULL;

	if (handle < 0 || is_ours(own_fd_number(handle)) ||
	    since_ns < __atomic_load_n(&unanswered_until_ns, __ATOMIC_RELAXED))
		return NULL;
	__atomic_add_fetch(&waiting_count, 1, __ATOMIC_RELEASE);
	while (!ring && now_ns - since_ns < WRITER_PATIENCE_NS &&
	       !__atomic_load_n(&ring_writer_stands, __ATOMIC_ACQUIRE)) {
		uint32_t count = __atomic_load_n(&ring_extent_count, __ATOMIC_ACQUIRE);

		call_writer(count * RINGS_PER_EXTENT, 0);
		sys_futex_wait(&ring_extent_count, count, WRITER_NAP_NS);
		ring = take_free(tid);
		now_ns = clock_monotonic_ns();
	}
	__atomic_sub_fetch(&waiting_count, 1, __ATOMIC_RELAXED);
	if (!ring)
		__atomic_store_n(&unanswered_until_ns, now_ns + UNANSWERED_NS, __ATOMIC_RELAXED);
	return ring;
}

/*
 * Another thread may be adding rings at this moment, or may have taken those that this one has
 * added: waits while some are added. When there is no memory, nobody tries again for a while: the
 * call in the target must not pay for it at every event.
 */
struct lt_ring *pool_take_ring(int tid)
{
	struct lt_ring *ring = take_free(tid);
	uint64_t now_ns, since_ns;
	uint32_t count = 0, tries = 0;
	bool is_busy;

	if (!ring)
		ring = ask_writer(tid);
	now_ns = since_ns = clock_monotonic_ns();
	do {
		if (!ring)
			ring = take_free(tid);
		if (ring)
			return ring;
		if (now_ns - __atomic_load_n(&refused_at_ns, __ATOMIC_RELAXED) < REFUSED_NS)
			break;
		if (!add_rings(false, &is_busy) && !is_busy) {
			__atomic_store_n(&refused_at_ns, now_ns, __ATOMIC_RELAXED);
			break;
		}
	} while (!is_busy || wait_for_rings(&count, &tries, &since_ns));
	__atomic_add_fetch(&pool_refused_count, 1, __ATOMIC_RELAXED);
	return NULL;
}

void pool_give_ring(struct lt_ring *ring)
{
	memset(ring->runs, 0, sizeof(ring->runs));
	ring->lost_count = ring->first_lost = ring->last_lost = 0;
	ring->wait_count = ring->wait_ticks = 0;
	ring->passed_count = ring->lost_stack_count = ring->event_count = 0;
	__atomic_store_n(&ring->state, LT_RING_FREE, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < ring_extent_count; i++)
		if (ring >= ring_extents[i] && ring < ring_extents[i] + RINGS_PER_EXTENT)
			__atomic_or_fetch(&free_rings[i], (uint8_t)(1u << (ring - ring_extents[i])),
					  __ATOMIC_RELEASE);
	__atomic_add_fetch(&free_count, 1, __ATOMIC_RELAXED);
}

bool pool_is_asked(void)
{
	return !__atomic_load_n(&free_count, __ATOMIC_RELAXED);
}

void pool_make_room(void)
{
	uint32_t wanted = FREE_RINGS_MIN + __atomic_load_n(&waiting_count, __ATOMIC_ACQUIRE);
	bool is_busy;

	/* where there are some, more will come */
	if (__atomic_load_n(&free_count, __ATOMIC_RELAXED) < wanted)
		wanted += pool_ring_count() / 4;
	while (__atomic_load_n(&free_count, __ATOMIC_RELAXED) < wanted)
		if (!add_rings(true, &is_busy))
			break;
}

void pool_set_closed(bool is_closed)
{
	__atomic_store_n(&pool_header->is_closed, is_closed, __ATOMIC_RELEASE);
}

void pool_remove(void)
{
	pool_set_closed(true);
	if (path[0])
		sys_unlink(path);
}
