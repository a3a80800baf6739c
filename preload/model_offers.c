/* SPDX-License-Identifier: MIT */
/*
 * Slots between hooks and the writer; see model_offers.h. A slot is free, being filled, or full; a
 * hook takes it from free to full, the writer back. Entered by target threads and the writer; takes
 * no lock.
 */
#include "model_offers.h"

#include <string.h>

#include "file_facts.h"
#include "ring.h"
#include "sys.h"
#include "text.h"

#define SLOTS 16u
#define ANY_NAME_MIN_BYTES (1u << 20) /* Ollama's models are called sha256-... */
#define MODEL_NAME_MIN_BYTES 24u

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_FULL };

static struct slot {
	uint32_t state;
	struct model_offer offer;
} slots[SLOTS];

/* What was offered last. Mixed up by two threads it fits no file, which is offered once more. */
static struct {
	uint64_t device, inode, file_bytes, modified_ns;
} last;

static bool has_suffix(const char *path, const char *suffix)
{
	size_t length = strnlen(path, OFFER_PATH_BYTES), suffix_length = strlen(suffix);

	return length > suffix_length && !strcmp(path + length - suffix_length, suffix);
}

static uint64_t modified_ns(const struct stat *stat)
{
	return (uint64_t)stat->st_mtim.tv_sec * 1000000000u + (uint64_t)stat->st_mtim.tv_nsec;
}

/* Engines open a model several times, and map what they have opened. */
static bool is_last(const struct stat *stat)
{
	return stat->st_ino == __atomic_load_n(&last.inode, __ATOMIC_RELAXED) &&
	       stat->st_dev == __atomic_load_n(&last.device, __ATOMIC_RELAXED) &&
	       (uint64_t)stat->st_size == __atomic_load_n(&last.file_bytes, __ATOMIC_RELAXED) &&
	       modified_ns(stat) == __atomic_load_n(&last.modified_ns, __ATOMIC_RELAXED);
}

static void set_last(const struct model_offer *offer)
{
	__atomic_store_n(&last.device, offer->device, __ATOMIC_RELAXED);
	__atomic_store_n(&last.inode, offer->inode, __ATOMIC_RELAXED);
	__atomic_store_n(&last.file_bytes, offer->file_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&last.modified_ns, offer->modified_ns, __ATOMIC_RELAXED);
}

static bool is_candidate(const struct stat *stat, const char *path)
{
	if (!S_ISREG(stat->st_mode))
		return false;
	if ((uint64_t)stat->st_size >= ANY_NAME_MIN_BYTES)
		return true;
	return stat->st_size >= MODEL_NAME_MIN_BYTES && path &&
	       (has_suffix(path, ".gguf") || has_suffix(path, ".safetensors"));
}

static struct slot *take_slot(void)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t expected = SLOT_FREE;

		if (__atomic_compare_exchange_n(&slots[i].state, &expected, SLOT_FILLING, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return &slots[i];
	}
	return NULL;
}

/* Straight into the slot: the stack may be a small one of a signal handler. */
static void put_path(struct model_offer *offer, const char *path)
{
	char link[64];
	long length;

	if (path && path[0] == '/') {
		length = (long)strnlen(path, OFFER_PATH_BYTES);
		if (length < (long)OFFER_PATH_BYTES)
			memcpy(offer->real_path, path, (size_t)length);
	} else {
		text_format(link, sizeof(link), "/proc/thread-self/fd/%u",
			    (uint64_t)(unsigned)offer->fd);
		length = sys_readlink(link, offer->real_path, OFFER_PATH_BYTES);
	}
	offer->real_path[length > 0 && length < (long)OFFER_PATH_BYTES ? length : 0] = '\0';
}

static void fill(struct slot *slot, int fd, const struct stat *stat, const char *path,
		 uint32_t path_id)
{
	struct model_offer *offer = &slot->offer;

	offer->device = stat->st_dev;
	offer->inode = stat->st_ino;
	offer->file_bytes = (uint64_t)stat->st_size;
	offer->modified_ns = modified_ns(stat);
	offer->path = path_id;
	offer->fd = fd;
	put_path(offer, path);
	set_last(offer);
	__atomic_store_n(&slot->state, SLOT_FULL, __ATOMIC_RELEASE);
	ring_wake_writer(); /* the file may be closed and removed soon */
}

void model_offer_opened(int fd, int flags, const struct stat *stat, const char *path,
			uint32_t path_id)
{
	struct slot *slot;

	if ((flags & O_ACCMODE) == O_WRONLY || flags & O_PATH || !is_candidate(stat, path) ||
	    is_last(stat))
		return;
	slot = take_slot();
	if (slot)
		fill(slot, fd, stat, path, path_id);
}

void model_offer_mapped(int fd, size_t length)
{
	struct slot *slot;
	struct stat stat;

	if (length < ANY_NAME_MIN_BYTES || sys_fstat(fd, &stat) < 0 || !is_candidate(&stat, NULL) ||
	    is_last(&stat))
		return;
	slot = take_slot();
	if (slot)
		fill(slot, fd, &stat, NULL, file_path_of(fd, NULL));
}

bool model_offer_take(struct model_offer *ret_offer)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (__atomic_load_n(&slots[i].state, __ATOMIC_ACQUIRE) != SLOT_FULL)
			continue;
		*ret_offer = slots[i].offer;
		__atomic_store_n(&slots[i].state, SLOT_FREE, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}
