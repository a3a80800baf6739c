/* SPDX-License-Identifier: MIT */
/* See hash_mix.h. Without random numbers the constants stay: slow on a hostile file, not wrong. */
#include "hash_mix.h"

#include <sys/random.h>

uint64_t hash_odd[2] = { 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu };

__attribute__((constructor)) static void draw(void)
{
	uint64_t drawn[2];

	if (getrandom(drawn, sizeof(drawn), GRND_NONBLOCK) != (ssize_t)sizeof(drawn))
		return;
	hash_odd[0] = drawn[0] | 1;
	hash_odd[1] = drawn[1] | 1;
}
