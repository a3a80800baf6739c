/* SPDX-License-Identifier: MIT */
/*
 * Opens, maps, reads and closes the perf events of page faults; see fault_open.h. Entered by the
 * thread of fault_events.c alone.
 */
#include "fault_open.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "sys.h"
#include "text.h"

#define PAGE_BYTES 4096u
#define FREE_RING_PAGES 512u /* of who may lock memory: nothing of the target's limit is used */

/* The kernel's numbers: enums there, and missing in older headers. */
#define FORMAT_LOST (1u << 4)
#define SAMPLE_DATA_PAGE_SIZE (1u << 22)

/* What older kernels do not know is left out, one by one. */
static bool has_lost = true, has_page_sizes = true, has_clock = true, has_inherit_thread = true;

/* ---- opening ---- */
struct wanted {
	enum fault_event event;
	int tid, cpu;
	bool is_inherited, is_sampled;
};

static void fill_attributes(struct perf_event_attr *attr, const struct wanted *wanted)
{
	static const uint64_t configs[FAULT_EVENTS] = {
		PERF_COUNT_SW_PAGE_FAULTS, PERF_COUNT_SW_PAGE_FAULTS_MIN,
		PERF_COUNT_SW_PAGE_FAULTS_MAJ};

	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = configs[wanted->event];
	attr->read_format = has_lost ? FORMAT_LOST : 0;
	attr->inherit = wanted->is_inherited;
	attr->exclude_kernel = 1;
	attr->exclude_hv = 1;
	attr->inherit_thread = has_inherit_thread && wanted->is_inherited;
	if (!wanted->is_sampled)
		return;
	attr->sample_period = 1;
	attr->sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			    PERF_SAMPLE_ADDR;
	attr->sample_type |= wanted->event == FAULT_ENTRY ? PERF_SAMPLE_IP : PERF_SAMPLE_CPU;
	if (has_page_sizes && wanted->event != FAULT_ENTRY)
		attr->sample_type |= SAMPLE_DATA_PAGE_SIZE;
	attr->use_clockid = has_clock;
	attr->clockid = has_clock ? CLOCK_MONOTONIC : 0;
	attr->watermark = 1;
}

static long open_once(const struct wanted *wanted, uint32_t watermark)
{
	struct perf_event_attr attr;

	fill_attributes(&attr, wanted);
	if (wanted->is_sampled)
		attr.wakeup_watermark = watermark;
	return SYS_CALL(perf_event_open, &attr, wanted->tid, wanted->cpu, -1,
			PERF_FLAG_FD_CLOEXEC, 0);
}

/* @return whether there was still something to leave out. */
static bool ask_for_less(void)
{
	bool *const optional[] = {&has_lost, &has_page_sizes, &has_inherit_thread};

	for (unsigned i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
		if (*optional[i]) {
			*optional[i] = false;
			return true;
		}
	return false;
}

static long open_event(const struct wanted *wanted, uint32_t watermark)
{
	long fd;

	do
		fd = open_once(wanted, watermark);
	while (fd == -EINVAL && ask_for_less());
	return fd;
}

static const char *error_name(long error)
{
	switch (-error) {
	case EPERM:
		return "EPERM";
	case EACCES:
		return "EACCES";
	case ENOSYS:
		return "ENOSYS";
	case EMFILE:
		return "EMFILE";
	case EINVAL:
		return "EINVAL";
	default:
		return "an error";
	}
}

void fault_open_explain(char *ret_text, size_t bytes, const char *what, long error)
{
	char paranoid[16] = "";
	long length = text_read_file("/proc/sys/kernel/perf_event_paranoid", paranoid,
				     sizeof(paranoid));

	if (length > 0)
		paranoid[length - 1] = '\0';
	text_format(ret_text, bytes, "%s: %s (perf_event_paranoid %s)", what, error_name(error),
		    length > 0 ? paranoid : "unknown");
}

void fault_close(struct fault_ring *ring)
{
	for (unsigned i = 0; i < FAULT_EVENTS; i++) {
		if (ring->fds[i] >= 0)
			sys_close(ring->fds[i]);
		ring->fds[i] = -1;
	}
}

/* As large as it is granted; @return false when not even a page is. */
static bool map_ring(struct fault_ring *ring, unsigned pages)
{
	for (; pages; pages /= 2) {
		size_t bytes = (pages + 1) * (size_t)PAGE_BYTES;

		ring->page = sys_map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				     ring->fds[FAULT_ENTRY], 0);
		ring->data_bytes = bytes - PAGE_BYTES;
		if (ring->page)
			return true;
	}
	return false;
}

/* All three write to the ring of the first one. */
static bool join_events(struct fault_ring *ring)
{
	for (unsigned i = 0; i < FAULT_EVENTS; i++) {
		if (i && SYS_CALL(ioctl, ring->fds[i], PERF_EVENT_IOC_SET_OUTPUT,
				  ring->fds[FAULT_ENTRY], 0, 0, 0) < 0)
			return false;
		if (SYS_CALL(ioctl, ring->fds[i], PERF_EVENT_IOC_ID, &ring->ids[i], 0, 0, 0) < 0)
			return false;
	}
	return true;
}

#define CAPABILITY_IPC_LOCK 14

static bool may_lock_memory(void)
{
	char status[4096];
	const char *mask;

	if (text_read_file("/proc/self/status", status, sizeof(status)) <= 0)
		return false;
	mask = strstr(status, "CapEff:\t");
	return mask && text_number(mask + strlen("CapEff:\t"), 16) >> CAPABILITY_IPC_LOCK & 1;
}

static unsigned ring_pages(unsigned usual)
{
	unsigned wanted = options_get()->fault_page_count;

	return wanted ? wanted : may_lock_memory() ? FREE_RING_PAGES : usual;
}

long fault_open(struct fault_ring *ring, int tid, int cpu, unsigned usual_pages)
{
	bool is_sampled = usual_pages;
	unsigned pages = is_sampled ? ring_pages(usual_pages) : 0;

	for (unsigned i = 0; i < FAULT_EVENTS; i++)
		ring->fds[i] = -1;
	for (unsigned i = 0; i < FAULT_EVENTS; i++) {
		const struct wanted wanted = {i, tid, cpu, cpu >= 0 || !is_sampled, is_sampled};
		long fd = open_event(&wanted, pages * PAGE_BYTES / 4);

		if (fd < 0) {
			fault_close(ring);
			return fd;
		}
		ring->fds[i] = (int)fd;
	}
	ring->has_page_sizes = has_page_sizes;
	if (!is_sampled || (map_ring(ring, pages) && join_events(ring)))
		return 0;
	fault_unmap(ring);
	fault_close(ring);
	return -EPERM;
}

bool fault_open_is_whole(void)
{
	return has_inherit_thread && has_clock;
}

void fault_unmap(struct fault_ring *ring)
{
	if (ring->page)
		sys_unmap(ring->page, ring->data_bytes + PAGE_BYTES);
	ring->page = NULL;
}

void fault_add_counts(struct fault_counts *sum, const struct fault_ring *ring)
{
	for (unsigned i = 0; i < FAULT_EVENTS; i++) {
		uint64_t values[2] = {0, 0};

		if (ring->fds[i] < 0 || sys_read(ring->fds[i], values, sizeof(values)) < 8)
			continue;
		sum->events[i] += values[0];
		sum->lost_count += has_lost ? values[1] : 0;
	}
	sum->ring_bytes += ring->page ? ring->data_bytes : 0;
}
