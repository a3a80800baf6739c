/* SPDX-License-Identifier: MIT */
/* make_seeds TRACE SEED: turns a trace file into an input of fuzz_reader; see flat.h. */
#include <stdio.h>
#include <stdlib.h>

#include "flat.h"

int main(int argument_count, char **arguments)
{
	static uint8_t file[1u << 24], seed[1u << 24];
	static struct flat flat;
	struct bytes store = { 0 };
	FILE *in = argument_count == 3 ? fopen(arguments[1], "re") : NULL, *out;
	size_t length;

	if (!in) {
		fputs("usage: make_seeds TRACE SEED\n", stderr);
		return 2;
	}
	length = fread(file, 1, sizeof(file), in);
	fclose(in);
	flat_unpack(&flat, file, length, &store);
	length = flat_store(&flat, seed, sizeof(seed));
	out = fopen(arguments[2], "we");
	if (!out || fputc(0, out) == EOF || fwrite(seed, 1, length, out) != length ||
	    fclose(out) != 0) {
		perror(arguments[2]);
		return 1;
	}
	free(store.data);
	return 0;
}
