/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a model file > its tensors, as the shim reads them inside the target. The first byte
 * says how large the pieces are that a read gives, and how much memory there is; the rest is the
 * file. What the trace would get is looked at: a row that is not in the file ends in abort().
 */
#include <stdio.h>

#include "model_parsers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 13, 4096, MODEL_PIECE_BYTES};
	struct memory_model file;
	struct model_header header;
	const char *fault;

	if (!size)
		return 0;
	file = (struct memory_model){data + 1, size - 1, pieces[data[0] & 3]};
	if (!parse_model(&file, data[0] & 4 ? 24000 : 1u << 24, &header))
		return 0;
	fault = check_model(&file, &header);
	if (fault) {
		printf("FINDING: %s\n", fault);
		abort();
	}
	model_table_release(&header.table);
	return 0;
}
