/* SPDX-License-Identifier: MIT */
/* page_faults COUNT: writes to fresh pages of 4 KiB in order; prints the wall time of one fault in ns. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096 };

int main(int argc, char **argv)
{
	size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct timespec start, end;
	char *memory = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, count * PAGE, MADV_NOHUGEPAGE))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (size_t i = 0; i < count; i++)
		memory[i * PAGE] = 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("wall_ns=%.1f\n", ((double)(end.tv_sec - start.tv_sec) * 1e9 +
	       (double)(end.tv_nsec - start.tv_nsec)) / (double)count);
	return 0;
}
