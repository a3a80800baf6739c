/* SPDX-License-Identifier: MIT */
/*
 * The objects that the loader has mapped: id, range, build id, path. Addresses in stacks become
 * (module, offset) by this list. It is brought up to date at start, around dlclose, and when the
 * writer meets an address outside all known modules; never by interposing dlopen.
 */
#ifndef LLMTRACE_MODULES_H
#define LLMTRACE_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#define MODULE_PATH_BYTES 512u
#define MODULE_BUILD_ID_BYTES 32u

struct module {
	uint64_t load_bias;
	uint64_t start; /* first address */
	uint64_t end;	/* first address behind it */
	uint32_t id;	/* from 1 */
	uint32_t first_generation;
	uint32_t last_generation; /* UINT32_MAX while it is loaded */
	uint32_t build_id_bytes;
	uint64_t time_ns; /* seen first */
	uint64_t end_ns;  /* noticed to be gone */
	uint8_t build_id[MODULE_BUILD_ID_BYTES];
	char path[MODULE_PATH_BYTES];
};

/*
 * Reads the loader's list if it changed since the last call; around dlclose it is called twice, for
 * what is about to go and for what is gone. Takes the modules lock: not inside a
 * hook's enter and leave, not in signal handlers.
 */
void modules_refresh(void);

/*
 * Keep the loader's locks free of our calls while the process forks. @return false: another thread
 * has had it for too long, and may be waiting for what this one holds.
 */
bool modules_lock(void);
void modules_unlock(void);

/* In the child of a fork: the lock is free, whoever held it in the parent. */
void modules_after_fork(void);

/*
 * For the writer. @return the module that held addr in that generation, NULL for none. Valid until
 * the next call.
 */
const struct module *modules_find(uint64_t addr, uint32_t generation);
/* @return module number index (from 0) in the order of ids, NULL behind the last one. */
const struct module *modules_at(uint32_t index);

#endif
