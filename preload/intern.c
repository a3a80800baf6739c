/* SPDX-License-Identifier: MIT */
/*
 * The table of call stacks and strings; see intern.h. Entries are appended to arenas; hash indexes,
 * each twice as large as the one before, hold their ids. New entries go to the newest index; a
 * look-up asks all of them. A slot of an index goes from 0 to an id or to a seal once, and never
 * changes again.
 *
 * A thread that does not know of the newest index yet could enter in an older one what another
 * enters in the newest. So whoever goes past an older index seals the free slot at which its look-up
 * ended there: nothing can be added to that chain any more, and the late thread looks again.
 */
#include "intern.h"

#include <string.h>

#include "pool.h"
#include "sys.h"

#define FIRST_INDEX_BITS 15u
#define INDEX_MAX 16u
#define PROBE_MAX 64u
#define ARENAS_AHEAD 3u
#define STRING_MAX_BYTES 4095u
#define SEAL ((uint64_t)1 << 32) /* no entry has the id 0 */

struct intern_index {
	uint64_t *slots; /* high half: hash; low half: id */
	uint32_t bits;
	uint32_t used;
};

struct intern_arena {
	uint8_t *bytes;
	uint32_t used_grains; /* may run past the end: then the arena is full */
};

static struct intern_index indexes[INDEX_MAX];
static uint32_t index_count;
static struct intern_arena arenas[LT_ARENA_MAX];
static uint32_t arena_count;
static uint32_t arena_current;

static inline uint64_t load_word(const uint8_t *at)
{
	uint64_t word;

	__builtin_memcpy(&word, at, sizeof(word)); /* in place: the build has no other built-ins */
	return word;
}

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25u;
	return hash ^ hash >> 32;
}

/* Two lanes, so that the multiplications of a deep stack overlap. */
uint64_t intern_hash(const void *bytes, size_t length, uint64_t seed)
{
	const uint8_t *at = bytes;
	uint64_t even = seed * 0x9e3779b97f4a7c15u ^ length, odd = even ^ 0xd6e8feb86659fd93u,
		 rest = 0;

	for (; length >= 16; length -= 16, at += 16) {
		even = mix(even, load_word(at));
		odd = mix(odd, load_word(at + 8));
	}
	if (length >= 8) {
		even = mix(even, load_word(at));
		at += 8;
		length -= 8;
	}
	for (; length; length--)
		rest = rest << 8 | *at++;
	even = mix(even ^ odd >> 17 ^ odd << 47, rest) * 0xbf58476d1ce4e5b9u;
	return even ^ even >> 32;
}

struct lt_intern_entry *intern_entry(uint32_t id)
{
	return (struct lt_intern_entry *)(arenas[LT_INTERN_ARENA(id)].bytes +
					  LT_INTERN_GRAIN(id) * LT_ARENA_GRAIN);
}

struct lt_intern_entry *intern_entry_checked(uint32_t id)
{
	uint32_t arena = LT_INTERN_ARENA(id), grain = LT_INTERN_GRAIN(id), type;
	struct lt_intern_entry *entry;

	if (arena >= __atomic_load_n(&arena_count, __ATOMIC_ACQUIRE) || !grain ||
	    grain + sizeof(*entry) / LT_ARENA_GRAIN > LT_ARENA_BYTES / LT_ARENA_GRAIN)
		return NULL;
	entry = intern_entry(id);
	type = entry->state & ~LT_INTERN_IS_DUPLICATE;
	return (type == LT_INTERN_STACK || type == LT_INTERN_STRING) &&
			       entry->length <= LT_ARENA_BYTES - grain * LT_ARENA_GRAIN -
							sizeof(*entry)
		       ? entry
		       : NULL;
}

/* @return grains for an entry in the current arena or the next one, 0 when all are full. */
static uint32_t take_grains(uint32_t grains)
{
	for (;;) {
		uint32_t current = __atomic_load_n(&arena_current, __ATOMIC_ACQUIRE);
		uint32_t first;

		if (current >= __atomic_load_n(&arena_count, __ATOMIC_ACQUIRE))
			return 0;
		first = __atomic_load_n(&arenas[current].used_grains, __ATOMIC_RELAXED);
		if (first + grains <= LT_ARENA_BYTES / LT_ARENA_GRAIN)
			first = __atomic_fetch_add(&arenas[current].used_grains, grains,
						   __ATOMIC_RELAXED);
		if (first + grains <= LT_ARENA_BYTES / LT_ARENA_GRAIN)
			return LT_INTERN_ID(current, first);
		__atomic_compare_exchange_n(&arena_current, &current, current + 1, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
}

static uint32_t add_entry(enum lt_intern_type type, const void *bytes, uint32_t length,
			  uint32_t generation, uint64_t hash)
{
	uint32_t grains = (uint32_t)(sizeof(struct lt_intern_entry) + length + LT_ARENA_GRAIN - 1) /
			  LT_ARENA_GRAIN;
	uint32_t id = take_grains(grains);
	struct lt_intern_entry *entry;

	if (!id)
		return 0;
	entry = intern_entry(id);
	__atomic_store_n(&entry->length, length, __ATOMIC_RELEASE);
	entry->generation = generation;
	entry->hash = hash;
	memcpy(entry->data, bytes, length);
	__atomic_store_n(&entry->state, (uint32_t)type, __ATOMIC_RELEASE);
	return id;
}

static bool is_same(uint32_t id, enum lt_intern_type type, const void *bytes, uint32_t length,
		    uint32_t generation)
{
	const struct lt_intern_entry *entry = intern_entry(id);

	return entry->state == (uint32_t)type && entry->length == length &&
	       entry->generation == generation && !memcmp(entry->data, bytes, length);
}

struct slot_search {
	uint64_t *slot; /* the free slot behind the chain; NULL: sealed, or the chain is full */
	uint32_t id;	/* 0: not there */
};

static struct slot_search search(struct intern_index *index, enum lt_intern_type type,
				 const void *bytes, uint32_t length, uint32_t generation,
				 uint64_t hash)
{
	uint64_t mask = ((uint64_t)1 << index->bits) - 1;

	for (uint32_t i = 0; i < PROBE_MAX; i++) {
		uint64_t *slot = &index->slots[(hash + i) & mask];
		uint64_t value = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if (!value)
			return (struct slot_search){slot, 0};
		if (value == SEAL)
			break;
		if (value >> 32 == hash >> 32 &&
		    is_same((uint32_t)value, type, bytes, length, generation))
			return (struct slot_search){NULL, (uint32_t)value};
	}
	return (struct slot_search){NULL, 0};
}

static bool fill_slot(uint64_t *slot, uint64_t value)
{
	uint64_t expected = 0;

	return __atomic_compare_exchange_n(slot, &expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* What is added must be added behind all indexes that are known: seals the others on the way. */
static struct slot_search search_all(uint32_t count, enum lt_intern_type type, const void *bytes,
				     uint32_t length, uint32_t generation, uint64_t hash)
{
	struct slot_search found = {NULL, 0};

	for (uint32_t i = 0; i < count; i++) {
		do
			found = search(&indexes[i], type, bytes, length, generation, hash);
		while (i + 1 < count && found.slot && !fill_slot(found.slot, SEAL));
		if (found.id)
			break;
	}
	return found;
}

/* Another thread was faster: its entry counts. The one made here stays behind, unused. */
static uint32_t give_way(uint32_t own_id, enum lt_intern_type type, uint32_t id)
{
	if (own_id)
		__atomic_store_n(&intern_entry(own_id)->state,
				 (uint32_t)type | LT_INTERN_IS_DUPLICATE, __ATOMIC_RELEASE);
	return id;
}

uint32_t intern_bytes(enum lt_intern_type type, const void *bytes, uint32_t length,
		      uint32_t generation, uint64_t hash)
{
	uint32_t count = __atomic_load_n(&index_count, __ATOMIC_ACQUIRE), seen;
	uint32_t id = 0;

	for (;;) {
		struct slot_search found =
			search_all(count, type, bytes, length, generation, hash);

		if (found.id)
			return give_way(id, type, found.id);
		if (found.slot) {
			if (!id)
				id = add_entry(type, bytes, length, generation, hash);
			if (!id)
				return 0;
			if (!fill_slot(found.slot, hash >> 32 << 32 | id))
				continue;
			__atomic_add_fetch(&indexes[count - 1].used, 1, __ATOMIC_RELAXED);
			return id;
		}
		seen = count;
		count = __atomic_load_n(&index_count, __ATOMIC_ACQUIRE);
		if (count == seen)
			return give_way(id, type, 0);
	}
}

uint32_t intern_find(enum lt_intern_type type, const void *bytes, uint32_t length,
		     uint32_t generation, uint64_t hash)
{
	uint32_t count = __atomic_load_n(&index_count, __ATOMIC_ACQUIRE);
	struct slot_search found = {NULL, 0};

	for (uint32_t i = 0; i < count && !found.id; i++)
		found = search(&indexes[i], type, bytes, length, generation, hash);
	return found.id;
}

uint32_t intern_text(const char *text, size_t length)
{
	if (length > STRING_MAX_BYTES)
		length = STRING_MAX_BYTES;
	return intern_bytes(LT_INTERN_STRING, text, (uint32_t)length, 0,
			    intern_hash(text, length, 1));
}

uint32_t intern_string(const char *text)
{
	return intern_text(text, strnlen(text, STRING_MAX_BYTES));
}

static void visit_arena(const struct intern_arena *arena,
			void (*visit)(const struct lt_intern_entry *entry))
{
	uint32_t used = __atomic_load_n(&arena->used_grains, __ATOMIC_ACQUIRE);

	for (uint32_t grain = 1; grain < used && grain < LT_ARENA_BYTES / LT_ARENA_GRAIN;) {
		const struct lt_intern_entry *entry =
			(const void *)(arena->bytes + grain * LT_ARENA_GRAIN);
		uint32_t state = __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE);

		if (!state && !entry->length)
			return; /* still being written: what is behind it comes next time */
		if (state)
			visit(entry);
		grain += (uint32_t)(sizeof(*entry) + entry->length + LT_ARENA_GRAIN - 1) /
			 LT_ARENA_GRAIN;
	}
}

void intern_for_each(void (*visit)(const struct lt_intern_entry *entry))
{
	uint32_t count = __atomic_load_n(&arena_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++)
		visit_arena(&arenas[i], visit);
}

static bool add_arena(void)
{
	uint32_t number = arena_count;
	uint8_t *bytes;

	if (number >= LT_ARENA_MAX)
		return false;
	bytes = pool_grow(LT_EXTENT_ARENA, number, LT_ARENA_BYTES);
	if (!bytes)
		return false;
	arenas[number].bytes = bytes;
	arenas[number].used_grains = 1; /* id 0 stays free */
	__atomic_store_n(&arena_count, number + 1, __ATOMIC_RELEASE);
	return true;
}

static bool add_index(void)
{
	uint32_t bits = FIRST_INDEX_BITS + index_count;
	void *slots;

	if (index_count >= INDEX_MAX)
		return false;
	slots = pool_grow(LT_EXTENT_INDEX, index_count, sizeof(uint64_t) << bits);
	if (!slots)
		return false;
	indexes[index_count].slots = slots;
	indexes[index_count].bits = bits;
	__atomic_store_n(&index_count, index_count + 1, __ATOMIC_RELEASE);
	return true;
}

/* A run that ends soon pays for one arena; as soon as that one fills, there are some ahead. */
static uint32_t arenas_wanted(void)
{
	uint32_t current = __atomic_load_n(&arena_current, __ATOMIC_RELAXED);

	if (!arena_count || (!current && __atomic_load_n(&arenas[0].used_grains, __ATOMIC_RELAXED) <
						 LT_ARENA_BYTES / LT_ARENA_GRAIN / 4))
		return 1;
	return current + ARENAS_AHEAD;
}

bool intern_make_room(void)
{
	const struct intern_index *last = index_count ? &indexes[index_count - 1] : NULL;

	while (arena_count < arenas_wanted())
		if (!add_arena())
			return false;
	if (last && __atomic_load_n(&last->used, __ATOMIC_RELAXED) <= (uint32_t)1 << (last->bits - 1))
		return true;
	return add_index();
}
