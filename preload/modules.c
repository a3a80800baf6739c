/* SPDX-License-Identifier: MIT */
/*
 * The objects that the loader has mapped; see modules.h. The lock is taken by the writer, by
 * start-up, and by target threads around dlclose and fork only. While it is held the loader's list
 * lock may be taken. A target that forks or closes a library while it has that one, or one that
 * somebody waits for who has it, is why nobody waits for ever.
 */
#include "modules.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "clock.h"
#include "hook.h"
#include "proc_samples.h"
#include "loader_trust.h"
#include "stack.h"
#include "sys.h"
#include "text.h"

#define MODULE_MAX 4096u
#define LOCK_NAP_NS 1000000u
#define LOCK_PATIENCE_NS 500000000u

static struct module *modules;
static uint32_t module_count;
static unsigned long long seen_adds, seen_subs;
static uint32_t lock;

bool modules_lock(void)
{
	uint64_t since_ns = 0;

	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {
		if (!since_ns)
			since_ns = clock_monotonic_ns();
		else if (clock_monotonic_ns() - since_ns > LOCK_PATIENCE_NS)
			return false;
		sys_futex_wait(&lock, 1, LOCK_NAP_NS);
	}
	return true;
}

void modules_unlock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	sys_futex_wake(&lock, 1);
}

void modules_after_fork(void)
{
	lock = 0;
}

/* Whether a segment lies in one that is mapped and can be read. */
static bool is_readable(const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *load = &info->dlpi_phdr[i];

		if (load->p_type == PT_LOAD && load->p_flags & PF_R &&
		    segment->p_vaddr >= load->p_vaddr && segment->p_memsz <= load->p_filesz &&
		    segment->p_vaddr - load->p_vaddr <= load->p_filesz - segment->p_memsz)
			return true;
	}
	return false;
}

/* The sizes in a note are those of a file that anybody may have made. */
static void read_build_id(struct module *module, const ElfW(Phdr) * segment)
{
	const uint8_t *at = (const uint8_t *)(uintptr_t)(module->load_bias + segment->p_vaddr);
	uint64_t left = segment->p_memsz;

	while (left >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
		const uint8_t *name = at + sizeof(*note);
		uint64_t body_at = sizeof(*note) + (((uint64_t)note->n_namesz + 3) & ~3ul);
		uint64_t next_at = body_at + (((uint64_t)note->n_descsz + 3) & ~3ul);

		if (body_at > left || note->n_descsz > left - body_at)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    !memcmp(name, "GNU", 4) && note->n_descsz <= sizeof(module->build_id)) {
			memcpy(module->build_id, at + body_at, note->n_descsz);
			module->build_id_bytes = note->n_descsz;
			return;
		}
		if (next_at > left)
			return;
		at += next_at;
		left -= next_at;
	}
}

/*
 * The program itself has no name in the loader's list. Where the kernel has not mapped a loader for
 * it, the loader was started by hand, and is what /proc/self/exe names.
 */
static void set_path(struct module *module, const char *name)
{
	long length;

	if (name[0]) {
		text_copy(module->path, sizeof(module->path), name);
		return;
	}
	if (!getauxval(AT_BASE) &&
	    proc_mapped_path(module->start, module->path, sizeof(module->path)))
		return;
	length = sys_readlink("/proc/self/exe", module->path, sizeof(module->path) - 1);
	module->path[length > 0 ? length : 0] = '\0';
}

static bool is_known(uint64_t start, uint64_t bias, const char *name)
{
	for (uint32_t i = 0; i < module_count; i++)
		if (modules[i].start == start && modules[i].load_bias == bias &&
		    modules[i].last_generation == UINT32_MAX &&
		    (!name[0] || !strcmp(modules[i].path, name)))
			return true;
	return false;
}

static void find_extent(const struct dl_phdr_info *info, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = UINT64_MAX;
	*   ret_end = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD)
			continue;
		if (start < *ret_start)
			*ret_start = start;
		if (start + segment->p_memsz > *ret_end)
			*ret_end = start + segment->p_memsz;
	}
}

/* A mark for the sweep: the modules that the loader still lists. */
struct scan {
	uint32_t generation;
	uint64_t now_ns;
	uint8_t is_listed[MODULE_MAX / 8];
};

static void mark_listed(struct scan *scan, uint64_t start, uint64_t bias)
{
	for (uint32_t i = module_count; i-- > 0;) {
		if (modules[i].start != start || modules[i].load_bias != bias)
			continue;
		scan->is_listed[i / 8] |= (uint8_t)(1u << i % 8);
		return; /* older ones at this place are gone */
	}
}

static int add_module(struct dl_phdr_info *info, size_t size, void *context)
{
	struct scan *scan = context;
	struct module *module;
	uint64_t start, end;

	(void)size;
	find_extent(info, &start, &end);
	if (!is_known(start, info->dlpi_addr, info->dlpi_name) && start < end &&
	    module_count < MODULE_MAX) {
		module = &modules[module_count];
		module->load_bias = info->dlpi_addr;
		module->start = start;
		module->end = end;
		module->id = module_count + 1;
		module->first_generation = scan->generation;
		module->last_generation = UINT32_MAX;
		module->time_ns = scan->now_ns;
		set_path(module, info->dlpi_name);
		for (int i = 0; i < info->dlpi_phnum; i++)
			if (info->dlpi_phdr[i].p_type == PT_NOTE && !module->build_id_bytes &&
			    is_readable(info, &info->dlpi_phdr[i]))
				read_build_id(module, &info->dlpi_phdr[i]);
		__atomic_store_n(&module_count, module_count + 1, __ATOMIC_RELEASE);
	}
	mark_listed(scan, start, info->dlpi_addr);
	return 0;
}

static int read_counters(struct dl_phdr_info *info, size_t size, void *context)
{
	unsigned long long *counters = context;

	(void)size;
	counters[0] = info->dlpi_adds;
	counters[1] = info->dlpi_subs;
	return 1;
}

static void sweep(const struct scan *scan)
{
	for (uint32_t i = 0; i < module_count; i++) {
		if (modules[i].last_generation != UINT32_MAX ||
		    scan->is_listed[i / 8] & 1u << i % 8)
			continue;
		modules[i].last_generation = scan->generation - 1;
		modules[i].end_ns = scan->now_ns;
	}
}

static void refresh_locked(void)
{
	unsigned long long counters[2] = {0, 0};
	struct scan scan;

	if (!modules)
		modules = sys_memory(MODULE_MAX * sizeof(*modules));
	if (!modules)
		return;
	dl_iterate_phdr(read_counters, counters);
	if (counters[0] == seen_adds && counters[1] == seen_subs)
		return;
	memset(&scan, 0, sizeof(scan));
	scan.generation = (uint32_t)counters[1] & ~LT_STACK_IS_TRUNCATED;
	scan.now_ns = clock_monotonic_ns();
	dl_iterate_phdr(add_module, &scan);
	sweep(&scan);
	seen_adds = counters[0];
	seen_subs = counters[1];
	__atomic_store_n(&stack_generation, scan.generation, __ATOMIC_RELAXED);
}

void modules_refresh(void)
{
	struct hook_scope *outer;

	if (!loader_is_usable())
		return;
	outer = hook_own_begin();
	if (modules_lock()) {
		refresh_locked();
		modules_unlock();
	}
	hook_own_end(outer);
}

static bool holds(const struct module *module, uint64_t addr)
{
	return addr >= module->start && addr < module->end;
}

/*
 * First the module that was loaded in that generation. The count that hooks know lags behind when a
 * library is removed by a call that they do not see: then the newest one that was not gone before.
 */
const struct module *modules_find(uint64_t addr, uint32_t generation)
{
	const struct module *fallback = NULL;

	generation &= ~LT_STACK_IS_TRUNCATED;
	for (uint32_t i = __atomic_load_n(&module_count, __ATOMIC_ACQUIRE); i-- > 0;) {
		const struct module *module = &modules[i];

		if (!holds(module, addr) || generation > module->last_generation)
			continue;
		if (generation >= module->first_generation)
			return module;
		if (!fallback)
			fallback = module;
	}
	return fallback;
}

const struct module *modules_at(uint32_t index)
{
	return index < __atomic_load_n(&module_count, __ATOMIC_ACQUIRE) ? &modules[index] : NULL;
}
