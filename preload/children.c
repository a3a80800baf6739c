/* SPDX-License-Identifier: MIT */
/*
 * Messages from child to parent; see children.h. Start-up and the writer thread of the child write
 * into the parent's pool; the parent's writer alone takes them out. A child that dies between
 * taking a place and filling it in leaves a hole, which is passed over after a while.
 */
#include "children.h"

#include <string.h>

#include "clock.h"
#include "follow.h"
#include "identity.h"
#include "intern.h"
#include "pool.h"
#include "privacy.h"
#include "sys.h"
#include "text.h"
#include "trace_file.h"
#include "writer_emit.h"

#define NAP_NS 1000000u
#define NAPS_MAX 20
#define HOLE_NS 1000000000u

/* ---- the child's side ---- */
static bool is_pool(const struct lt_pool_header *pool)
{
	return !memcmp(pool->magic, LT_POOL_MAGIC, sizeof(pool->magic)) &&
	       pool->version == LT_POOL_VERSION && pool->header_bytes == sizeof(*pool);
}

static struct lt_pool_header *map_parent(void)
{
	const char *path = follow_parent_pool();
	long fd = path[0] ? sys_open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0) : -1;
	struct lt_pool_header *pool = NULL;
	struct stat stat;

	if (fd < 0)
		return NULL;
	if (sys_fstat((int)fd, &stat) == 0 && follow_is_trusted(&stat) &&
	    (uint64_t)stat.st_size >= sizeof(*pool))
		pool = sys_map(sizeof(*pool), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	sys_close((int)fd);
	if (pool && !is_pool(pool)) {
		sys_unmap(pool, sizeof(*pool));
		pool = NULL;
	}
	return pool;
}

/* @return false when the parent's writer has taken nothing for a while. */
static bool take_place(struct lt_pool_header *pool, uint32_t *ret_position)
{
	static uint32_t never;
	uint32_t head = __atomic_load_n(&pool->child_head, __ATOMIC_ACQUIRE);

	for (int naps = 0; naps < NAPS_MAX;) {
		if (head - __atomic_load_n(&pool->child_tail, __ATOMIC_ACQUIRE) <
		    LT_CHILD_MESSAGES) {
			if (__atomic_compare_exchange_n(&pool->child_head, &head, head + 1, false,
							__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
				*ret_position = head;
				return true;
			}
			continue;
		}
		sys_futex_wait(&never, 0, NAP_NS);
		naps++;
		head = __atomic_load_n(&pool->child_head, __ATOMIC_ACQUIRE);
	}
	__atomic_add_fetch(&pool->child_lost_count, 1, __ATOMIC_RELAXED);
	return false;
}

static void fill(struct lt_child_message *message, unsigned state, int64_t status,
		 const char *trace)
{
	const struct identity *self = identity_get();
	char program[LT_CHILD_TEXT_BYTES];
	long length = sys_readlink("/proc/self/exe", program, sizeof(program));

	privacy_path(program, length > 0 ? (size_t)length : 0, message->program,
		     sizeof(message->program));
	privacy_path(trace, strlen(trace), message->trace, sizeof(message->trace));
	message->state = state;
	message->pid = (uint32_t)self->pid;
	message->parent_pid = (uint32_t)self->parent_pid;
	message->status = status;
	message->start_ns = trace_file_start_ns();
	message->duration_ns =
		state == LT_child_state_started ? 0 : clock_monotonic_ns() - message->start_ns;
}

void children_tell(unsigned state, int64_t status, const char *trace)
{
	struct lt_pool_header *pool = map_parent();
	uint32_t position;

	if (!pool)
		return;
	if (take_place(pool, &position)) {
		struct lt_child_message *message = &pool->children[position % LT_CHILD_MESSAGES];

		fill(message, state, status, trace);
		__atomic_store_n(&message->lap, position / LT_CHILD_MESSAGES + 1, __ATOMIC_RELEASE);
	}
	sys_unmap(pool, sizeof(*pool));
}

/* ---- the parent's side ---- */
static uint32_t text_id(const char *text)
{
	size_t length = strnlen(text, LT_CHILD_TEXT_BYTES);

	return length ? intern_text(text, length) : 0;
}

static void emit(struct lt_ring *own_ring, const struct lt_child_message *message)
{
	uint32_t program = text_id(message->program), trace = text_id(message->trace);

	WRITER_EMIT(own_ring, child, message->state, event->status = message->status;
		    event->start_ns = message->start_ns; event->duration_ns = message->duration_ns;
		    event->pid = message->pid; event->parent_pid = message->parent_pid;
		    event->program = program; event->trace = trace);
}

/* First the event, then the tail: a message that is read twice names the same start. */
void children_take(struct lt_ring *own_ring)
{
	static uint32_t hole_at;
	static uint64_t hole_since_ns;

	while (pool_header->child_tail !=
	       __atomic_load_n(&pool_header->child_head, __ATOMIC_ACQUIRE)) {
		uint32_t tail = pool_header->child_tail;
		const struct lt_child_message *message =
			&pool_header->children[tail % LT_CHILD_MESSAGES];

		if (__atomic_load_n(&message->lap, __ATOMIC_ACQUIRE) ==
		    tail / LT_CHILD_MESSAGES + 1) {
			emit(own_ring, message);
		} else if (hole_at != tail + 1) {
			hole_at = tail + 1;
			hole_since_ns = clock_monotonic_ns();
			return;
		} else if (clock_monotonic_ns() - hole_since_ns < HOLE_NS) {
			return;
		}
		__atomic_store_n(&pool_header->child_tail, tail + 1, __ATOMIC_RELEASE);
	}
}
