/* SPDX-License-Identifier: MIT */
/*
 * From the kernel's rings to samples; see fault_samples.h. A thread that waits for storage may begin
 * a fault on one CPU and end it on another, so the samples of all rings of CPUs are sorted. Entered
 * by the writer thread alone; the kernel writes at the other end of each ring.
 */
#include "fault_samples.h"

#include <string.h>

#include "sys.h"

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES (2u << 20)

/* struct perf_event_header, and behind it what sample_type asks for, in the kernel's order. */
struct raw_head {
	uint32_t type;
	uint16_t misc;
	uint16_t bytes;
	uint64_t id;
};

struct raw_entry {
	struct raw_head head;
	uint64_t ip;
	uint32_t pid, tid;
	uint64_t time_ns;
	uint64_t addr;
};

struct raw_completion {
	struct raw_head head;
	uint32_t pid, tid;
	uint64_t time_ns;
	uint64_t addr;
	uint32_t cpu, reserved;
	uint64_t data_page_bytes; /* not from old kernels */
};

static struct fault_sample *samples, *spare;
static size_t sample_count, sample_room;

static bool make_room(void)
{
	size_t room = sample_room ? sample_room * 2 : 4096;
	struct fault_sample *more = sys_memory(room * sizeof(*more));
	struct fault_sample *more_spare = sys_memory(room * sizeof(*more));

	if (!more || !more_spare) {
		if (more)
			sys_memory_release(more, room * sizeof(*more));
		return false;
	}
	if (samples) {
		memcpy(more, samples, sample_count * sizeof(*more));
		sys_memory_release(samples, sample_room * sizeof(*more));
		sys_memory_release(spare, sample_room * sizeof(*more));
	}
	samples = more;
	spare = more_spare;
	sample_room = room;
	return true;
}

/* A record may lie across the end of the ring. */
static void copy_record(const struct fault_ring *ring, uint64_t position, void *to, size_t bytes)
{
	const uint8_t *data = (const uint8_t *)ring->page + PAGE_BYTES;
	size_t at = position & (ring->data_bytes - 1);
	size_t first = ring->data_bytes - at < bytes ? ring->data_bytes - at : bytes;

	memcpy(to, data + at, first);
	memcpy((uint8_t *)to + first, data, bytes - first);
}

static int event_of(const struct fault_ring *ring, uint64_t id)
{
	for (int i = 0; i < FAULT_EVENTS; i++)
		if (ring->ids[i] == id)
			return i;
	return -1;
}

static bool parse_sample(const struct fault_ring *ring, uint64_t position,
			 const struct raw_head *head, struct fault_sample *ret_sample)
{
	struct raw_entry entry;
	struct raw_completion end = {.data_page_bytes = 0};
	int event = event_of(ring, head->id);

	if (event == FAULT_ENTRY && head->bytes >= sizeof(entry)) {
		copy_record(ring, position, &entry, sizeof(entry));
		*ret_sample = (struct fault_sample){entry.time_ns, entry.addr, entry.ip, entry.tid,
						    0, FAULT_ENTRY, false};
		return true;
	}
	if (event <= 0 || head->bytes < sizeof(end) - sizeof(end.data_page_bytes))
		return false;
	copy_record(ring, position, &end, head->bytes < sizeof(end) ? head->bytes : sizeof(end));
	*ret_sample = (struct fault_sample){
		end.time_ns, end.addr, 0, end.tid, (uint16_t)end.cpu, (uint8_t)event,
		ring->has_page_sizes && end.data_page_bytes >= HUGE_PAGE_BYTES};
	return true;
}

/* @return false when there is no memory for it: it stays in its ring. */
static bool add_sample(const struct fault_sample *sample)
{
	if (sample_count == sample_room && !make_room())
		return false;
	samples[sample_count++] = *sample;
	return true;
}

static void read_ring(struct fault_ring *ring, uint64_t until_ns)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;

	while (tail < head) {
		struct fault_sample sample;
		struct raw_head raw;

		copy_record(ring, tail, &raw, sizeof(raw));
		if (raw.bytes < 8 || raw.bytes > head - tail) {
			tail = head;
			break;
		}
		if (raw.type == PERF_RECORD_SAMPLE && parse_sample(ring, tail, &raw, &sample) &&
		    (sample.time_ns > until_ns || !add_sample(&sample)))
			break;
		tail += raw.bytes;
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
}

/* The end of the part that is in order already, from first on. */
static size_t run_end(size_t first)
{
	size_t at = first + 1;

	while (at < sample_count && samples[at - 1].time_ns <= samples[at].time_ns)
		at++;
	return at < sample_count ? at : sample_count;
}

static void merge_parts(size_t first, size_t middle, size_t end)
{
	size_t left = first, right = middle;

	for (size_t to = first; to < end; to++)
		spare[to] = left < middle && (right >= end ||
					      samples[left].time_ns <= samples[right].time_ns)
				    ? samples[left++]
				    : samples[right++];
	memcpy(samples + first, spare + first, (end - first) * sizeof(*samples));
}

/* Each ring is in order but for moments: few parts, merged in pairs until there is one. */
static void sort_samples(void)
{
	bool is_sorted = false;

	while (!is_sorted) {
		size_t first = 0;

		is_sorted = true;
		while (first < sample_count) {
			size_t middle = run_end(first), end;

			if (middle == sample_count)
				break;
			end = run_end(middle);
			merge_parts(first, middle, end);
			is_sorted = first == 0 && end == sample_count;
			first = end;
		}
	}
}

static void hand_over(void (*visit)(const struct fault_sample *sample))
{
	sort_samples();
	for (size_t i = 0; i < sample_count; i++)
		visit(&samples[i]);
	sample_count = 0;
}

uint64_t fault_samples_take(uint64_t until_ns, void (*visit)(const struct fault_sample *sample))
{
	bool is_by_thread = fault_events_method() == FAULT_RINGS_BY_THREAD;
	uint32_t count = fault_ring_count();
	uint64_t taken = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct fault_ring *ring = fault_ring_at(i);
		uint32_t state = __atomic_load_n(&ring->state, __ATOMIC_ACQUIRE);

		if ((state != FAULT_RING_LIVE && state != FAULT_RING_ENDED) || !ring->page)
			continue;
		read_ring(ring, state == FAULT_RING_ENDED ? UINT64_MAX : until_ns);
		if (state == FAULT_RING_ENDED)
			__atomic_store_n(&ring->state, FAULT_RING_TAKEN, __ATOMIC_RELEASE);
		if (is_by_thread) {
			taken += sample_count;
			hand_over(visit);
		}
	}
	taken += sample_count;
	hand_over(visit);
	return taken;
}
