/* SPDX-License-Identifier: MIT */
/*
 * The thread that has the perf events of page faults; see fault_events.h. It has a table of
 * descriptors of its own, so that the target finds none of the events' numbers, and sleeps in poll
 * until a ring is filled by a quarter, the writer wants something, or threads must be looked for.
 */
#include "fault_events.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "fault_open.h"
#include "hook.h"
#include "init.h"
#include "options.h"
#include "own_fds.h"
#include "real.h"
#include "ring.h"
#include "sys.h"
#include "text.h"
#include "writer.h"

#define MS 1000000u
#define PAGE_BYTES 4096u
#define CPU_RINGS_MAX 8u /* 96 inherited events cost a new thread 600 us */
#define CPU_RING_PAGES 128u /* perf_event_mlock_kb grants as much to every user, for each CPU */
#define THREAD_RING_PAGES 64u
#define LOOK_MS 20 /* for new threads */
#define ANSWER_NS (500u * MS)
#define STACK_BYTES (256u << 10)

enum request { REQUEST_COUNT = 1, REQUEST_ON = 2, REQUEST_OFF = 4 };

static struct fault_ring rings[FAULT_RING_MAX];
static uint32_t ring_count;
static enum fault_method method = FAULT_NOTHING;
static char reason[128];
static uint32_t thread_tid; /* futex: set when the events count, or cannot */
static int target_tid;
static int wait_handle, wake_handle; /* of a pipe that is in the writer's table, too */
static uint32_t requests;
static uint32_t asked, answered; /* requests so far, and those that were served; futex */
static struct fault_counts ended; /* of rings that are gone */
static struct fault_counts counts;
static uint32_t counts_lock; /* odd while they are written */

static void publish(struct fault_ring *ring, int tid)
{
	uint32_t index = (uint32_t)(ring - rings);

	ring->tid = tid;
	__atomic_store_n(&ring->state, FAULT_RING_LIVE, __ATOMIC_RELEASE);
	if (index >= ring_count)
		__atomic_store_n(&ring_count, index + 1, __ATOMIC_RELEASE);
}

static void close_all(void)
{
	for (uint32_t i = 0; i < ring_count; i++) {
		fault_close(&rings[i]);
		fault_unmap(&rings[i]);
		__atomic_store_n(&rings[i].state, FAULT_RING_FREE, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&ring_count, 0, __ATOMIC_RELEASE);
}

static bool open_by_cpu(const uint64_t *cpus, unsigned words)
{
	unsigned made = 0;

	for (unsigned cpu = 0; cpu < words * 64; cpu++) {
		long error;

		if (!(cpus[cpu / 64] >> cpu % 64 & 1))
			continue;
		error = fault_open(&rings[made], target_tid, (int)cpu, CPU_RING_PAGES);
		if (error || !fault_open_is_whole()) {
			if (!error)
				publish(&rings[made], 0);
			fault_open_explain(reason, sizeof(reason), "perf rings for each CPU",
					   error ? error : -EINVAL);
			close_all();
			return false;
		}
		publish(&rings[made++], 0);
	}
	return made;
}

static struct fault_ring *free_ring(void)
{
	for (uint32_t i = 0; i < FAULT_RING_MAX; i++)
		if (__atomic_load_n(&rings[i].state, __ATOMIC_ACQUIRE) == FAULT_RING_FREE)
			return &rings[i];
	return NULL;
}

static bool open_thread(int tid)
{
	struct fault_ring *ring = free_ring();
	long error = ring ? fault_open(ring, tid, -1, THREAD_RING_PAGES) : -EMFILE;

	if (error) {
		fault_open_explain(reason, sizeof(reason), "perf rings for each thread", error);
		return false;
	}
	publish(ring, tid);
	return true;
}

static bool open_counters(void)
{
	long error = fault_open(&rings[0], target_tid, -1, 0);

	if (error) {
		fault_open_explain(reason, sizeof(reason), "perf_event_open", error);
		return false;
	}
	publish(&rings[0], 0);
	return true;
}

/* Whether this way or a better one was asked for. */
static bool is_allowed(enum fault_method which)
{
	int wanted = options_get()->fault_method;

	return wanted < 0 || wanted == (int)which;
}

static enum fault_method open_all(void)
{
	uint64_t cpus[128];
	long bytes = SYS_CALL(sched_getaffinity, target_tid, sizeof(cpus), cpus, 0, 0, 0);
	unsigned words = bytes > 0 ? (unsigned)bytes / 8 : 0, cpu_count = 0;

	for (unsigned i = 0; i < words; i++)
		cpu_count += (unsigned)__builtin_popcountll(cpus[i]);
	if (options_get()->fault_method > FAULT_RINGS_BY_CPU)
		text_copy(reason, sizeof(reason), "LLMTRACE_FAULTS asks for it");
	else if (cpu_count > CPU_RINGS_MAX && options_get()->fault_method < 0)
		text_format(reason, sizeof(reason), "%u CPUs: events for each would cost new threads",
			    (uint64_t)cpu_count);
	else if (cpu_count && open_by_cpu(cpus, words))
		return FAULT_RINGS_BY_CPU;
	if (is_allowed(FAULT_RINGS_BY_THREAD) && open_thread(target_tid))
		return FAULT_RINGS_BY_THREAD;
	return is_allowed(FAULT_COUNTERS) && open_counters() ? FAULT_COUNTERS : FAULT_NOTHING;
}

/* ---- counters ---- */
/* Word by word: the reader looks afterwards whether all of them belong together. */
static void copy_counts(struct fault_counts *to, const struct fault_counts *from)
{
	uint64_t *out = (uint64_t *)to;
	const uint64_t *in = (const uint64_t *)from;

	_Static_assert(sizeof(*to) % sizeof(*out) == 0, "words of 64 bits alone");
	for (unsigned i = 0; i < sizeof(*to) / sizeof(*out); i++)
		__atomic_store_n(&out[i], __atomic_load_n(&in[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static void count(void)
{
	struct fault_counts sum = ended;

	sum.own_minor_count = hook_faults_now().minor_count;
	for (uint32_t i = 0; i < ring_count; i++)
		if (rings[i].state == FAULT_RING_LIVE)
			fault_add_counts(&sum, &rings[i]);
	__atomic_add_fetch(&counts_lock, 1, __ATOMIC_ACQ_REL);
	copy_counts(&counts, &sum);
	__atomic_add_fetch(&counts_lock, 1, __ATOMIC_RELEASE);
}

struct fault_counts fault_events_counts(void)
{
	struct fault_counts copy;
	uint32_t before, after;

	do {
		before = __atomic_load_n(&counts_lock, __ATOMIC_ACQUIRE);
		copy_counts(&copy, &counts);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&counts_lock, __ATOMIC_RELAXED);
	} while (before != after || before % 2);
	return copy;
}

/* ---- threads that come and go ---- */
static bool has_ring(int tid)
{
	for (uint32_t i = 0; i < ring_count; i++)
		if (rings[i].state == FAULT_RING_LIVE && rings[i].tid == tid)
			return true;
	return false;
}

/* Threads that were there at the last look already are 20 ms old. */
#define YOUNG_MAX 1024u
static int young[YOUNG_MAX];
static unsigned young_count;

static bool was_young(int tid)
{
	for (unsigned i = 0; i < young_count; i++)
		if (young[i] == tid)
			return true;
	return false;
}

static void look_at_thread(int tid, int *seen, unsigned *seen_count)
{
	if (writer_is_own_thread(tid) || has_ring(tid))
		return;
	if (was_young(tid))
		open_thread(tid);
	else if (*seen_count < YOUNG_MAX)
		seen[(*seen_count)++] = tid;
}

static void look_for_threads(void)
{
	static char entries[8192] __attribute__((aligned(8)));
	static int seen[YOUNG_MAX];
	unsigned seen_count = 0;
	long fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), got;

	if (fd < 0)
		return;
	while ((got = sys_getdents((int)fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < got;) {
			const struct sys_dirent *entry = (const void *)(entries + at);

			if (entry->name[0] != '.')
				look_at_thread((int)text_number(entry->name, 10), seen,
					       &seen_count);
			at += entry->length;
		}
	sys_close((int)fd);
	memcpy(young, seen, seen_count * sizeof(seen[0]));
	young_count = seen_count;
}

static void retire_rings(void)
{
	for (uint32_t i = 0; i < ring_count; i++) {
		struct fault_ring *ring = &rings[i];
		uint32_t state = __atomic_load_n(&ring->state, __ATOMIC_ACQUIRE);

		if (state == FAULT_RING_LIVE && sys_tgkill(init_pid, ring->tid, 0) == -ESRCH) {
			fault_add_counts(&ended, ring);
			ended.ring_bytes -= ring->data_bytes;
			fault_close(ring);
			__atomic_store_n(&ring->state, FAULT_RING_ENDED, __ATOMIC_RELEASE);
			ring_wake_writer();
		} else if (state == FAULT_RING_TAKEN) {
			fault_unmap(ring);
			__atomic_store_n(&ring->state, FAULT_RING_FREE, __ATOMIC_RELEASE);
		}
	}
}

/* ---- the thread ---- */
static void switch_events(bool is_on)
{
	for (uint32_t i = 0; i < ring_count; i++)
		for (unsigned k = 0; rings[i].state == FAULT_RING_LIVE && k < FAULT_EVENTS; k++)
			SYS_CALL(ioctl, rings[i].fds[k],
				 is_on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0, 0, 0,
				 0);
}

/*
 * A ticket is drawn when its bits are set: those of all that are answered here were seen now, or
 * the last time.
 */
static void serve(void)
{
	uint32_t ticket = __atomic_load_n(&asked, __ATOMIC_ACQUIRE);
	uint32_t wanted = __atomic_exchange_n(&requests, 0, __ATOMIC_ACQ_REL);

	if (wanted & (REQUEST_ON | REQUEST_OFF))
		switch_events(wanted & REQUEST_ON);
	if (wanted)
		count();
	if (ticket == answered)
		return;
	__atomic_store_n(&answered, ticket, __ATOMIC_RELEASE);
	sys_futex_wake(&answered, INT32_MAX);
}

/* Rings that can be waited for; what hangs up, as its first thread has ended, is left out. */
static unsigned fill_polls(struct pollfd *polls)
{
	unsigned used = 0;

	polls[used++] = (struct pollfd){own_fd_number(wait_handle), POLLIN, 0};
	for (uint32_t i = 0; i < ring_count; i++)
		if (rings[i].state == FAULT_RING_LIVE && rings[i].page)
			polls[used++] = (struct pollfd){rings[i].fds[FAULT_ENTRY], POLLIN, 0};
	return used;
}

static void wait_for_work(void)
{
	static struct pollfd polls[FAULT_RING_MAX + 1];
	static bool is_hung_up;
	const struct timespec look = {0, LOOK_MS * MS}, nap = {0, 5 * MS};
	unsigned used = fill_polls(polls);
	char bytes[64];
	bool is_filled = false;

	SYS_CALL(ppoll, polls, is_hung_up ? 1 : used,
		 method == FAULT_RINGS_BY_THREAD ? &look : is_hung_up ? &nap : NULL, NULL, 8, 0);
	if (polls[0].revents & POLLIN)
		sys_read(polls[0].fd, bytes, sizeof(bytes));
	for (unsigned i = 1; i < used && !is_hung_up; i++) {
		is_filled |= polls[i].revents & POLLIN;
		if (polls[i].revents & (POLLHUP | POLLERR) && method == FAULT_RINGS_BY_CPU)
			is_hung_up = true;
	}
	if (is_filled || is_hung_up)
		ring_wake_writer();
}

static void *fault_main(void *argument)
{
	(void)argument;
	hook_self.mark = HOOK_MARK_OWN;
	SYS_CALL(prctl, PR_SET_NAME, "llmtrace-faults", 0, 0, 0, 0);
	if (writer_leave_shared_state()) {
		method = open_all();
	} else {
		method = FAULT_NOTHING;
		text_format(reason, sizeof(reason), "no table of descriptors of our own");
	}
	__atomic_store_n(&thread_tid, (uint32_t)sys_gettid(), __ATOMIC_RELEASE);
	sys_futex_wake(&thread_tid, 1);
	while (method != FAULT_NOTHING) {
		wait_for_work();
		if (method == FAULT_RINGS_BY_THREAD) {
			look_for_threads();
			retire_rings();
		}
		serve();
	}
	return NULL;
}

/* ---- entered by others ---- */
void fault_events_prepare(void)
{
	int ends[2];

	wait_handle = wake_handle = -1;
	if (SYS_CALL(pipe2, ends, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0) < 0)
		return;
	wait_handle = own_fd_adopt(ends[0]);
	wake_handle = own_fd_adopt(ends[1]);
}

void fault_events_start(void)
{
	target_tid = sys_gettid();
	if (wait_handle < 0 || wake_handle < 0 ||
	    !writer_make_thread(fault_main, NULL, STACK_BYTES)) {
		text_copy(reason, sizeof(reason), "no thread or descriptors for it");
		return;
	}
	while (!__atomic_load_n(&thread_tid, __ATOMIC_ACQUIRE))
		sys_futex_wait(&thread_tid, 0, 10 * MS);
}

int fault_events_tid(void)
{
	return method == FAULT_NOTHING ? 0 : (int)__atomic_load_n(&thread_tid, __ATOMIC_ACQUIRE);
}

enum fault_method fault_events_method(void)
{
	return method;
}

const char *fault_method_name(enum fault_method which)
{
	static const char *const names[] = {"perf rings for each CPU", "perf rings for each thread",
					    "perf counters", "getrusage and /proc"};

	return names[which];
}

const char *fault_events_reason(void)
{
	return reason;
}

uint32_t fault_ring_count(void)
{
	return __atomic_load_n(&ring_count, __ATOMIC_ACQUIRE);
}

struct fault_ring *fault_ring_at(uint32_t index)
{
	return &rings[index];
}

/* @return the number of the request. */
static uint32_t ask(uint32_t request)
{
	uint32_t ticket;

	__atomic_or_fetch(&requests, request, __ATOMIC_ACQ_REL);
	ticket = __atomic_add_fetch(&asked, 1, __ATOMIC_ACQ_REL);
	sys_write(own_fd_number(wake_handle), "", 1);
	return ticket;
}

static void ask_and_wait(uint32_t request)
{
	uint64_t begin_ns = clock_monotonic_ns();
	uint32_t ticket = ask(request), seen;

	while ((int32_t)((seen = __atomic_load_n(&answered, __ATOMIC_ACQUIRE)) - ticket) < 0 &&
	       clock_monotonic_ns() - begin_ns < ANSWER_NS)
		sys_futex_wait(&answered, seen, 10 * MS);
}

void fault_events_switch(bool is_on)
{
	if (method != FAULT_NOTHING)
		ask_and_wait(is_on ? REQUEST_ON : REQUEST_OFF);
}

void fault_events_count_now(bool may_wait)
{
	if (method == FAULT_NOTHING)
		return;
	if (may_wait)
		ask_and_wait(REQUEST_COUNT);
	else
		ask(REQUEST_COUNT);
}

bool fault_rings_own(uint64_t addr)
{
	uint32_t in_use = fault_ring_count();

	for (uint32_t i = 0; i < in_use; i++)
		if (rings[i].page && addr >= (uintptr_t)rings[i].page &&
		    addr < (uintptr_t)rings[i].page + rings[i].data_bytes + PAGE_BYTES)
			return true;
	return false;
}
