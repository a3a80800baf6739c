/* SPDX-License-Identifier: MIT */
/*
 * Many LEB128 integers at once, with few branches: lengths in a column change from value to value,
 * and a mispredicted branch costs more than decoding the value. Pure; any thread.
 */
#ifndef LLMTRACE_ANALYZER_DECODE_VARINT_H
#define LLMTRACE_ANALYZER_DECODE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes count integers from *at on and moves *at behind them; never reads at or behind end.
 * @return false when the input ends before or a value has more than 64 bits.
 */
bool varints_decode(const uint8_t **at, const uint8_t *end, uint64_t *ret_values, size_t count);

#endif
