/* SPDX-License-Identifier: MIT */
/* The column of new addresses; see encode_recent.h. Entered by the writer thread alone. */
#include "encode_recent.h"

#include "llmtrace/wire.h"
#include "sys.h"

struct recent recent_state;

bool recent_init(void)
{
	recent_state.sequence = sys_memory(RECENT_MAX * sizeof(*recent_state.sequence));
	recent_state.newest = sys_memory(sizeof(*recent_state.newest) << RECENT_BUCKET_BITS);
	return recent_state.sequence && recent_state.newest;
}

bool new_addrs_init(struct new_addrs *new_addrs, uint32_t count)
{
	new_addrs_begin(new_addrs);
	if (!new_addrs->addrs)
		new_addrs->addrs = sys_memory(count * sizeof(*new_addrs->addrs));
	if (!new_addrs->bytes)
		new_addrs->bytes = sys_memory((size_t)(count + 1) * LT_VARINT_MAX_BYTES);
	return new_addrs->addrs && new_addrs->bytes;
}

/* Blocks lie on multiples of 16 almost always: zeros at the low end of all are counted once. */
void new_addrs_finish(struct new_addrs *new_addrs)
{
	uint8_t *at = new_addrs->bytes;
	uint64_t previous = 0;
	unsigned shift;

	if (!new_addrs->count)
		return;
	shift = (unsigned)__builtin_ctzll(new_addrs->all_bits);
	at = lt_varint_put(at, shift);
	for (uint32_t i = 0; i < new_addrs->count; i++) {
		uint64_t value = new_addrs->addrs[i] >> shift;

		at = lt_varint_put(at, lt_zigzag((int64_t)(value - previous)));
		previous = value;
	}
	new_addrs->used = (uint32_t)(at - new_addrs->bytes);
}
