/* SPDX-License-Identifier: MIT */
/* cached_read FILE SIZE COUNT: reads SIZE bytes of a cached file COUNT times; prints the wall time of one in ns. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];

int main(int argc, char **argv)
{
	size_t size = argc == 4 ? strtoul(argv[2], NULL, 0) : 0;
	long count = argc == 4 ? atol(argv[3]) : 0;
	int fd = argc == 4 ? open(argv[1], O_RDONLY) : -1;
	struct timespec start, end;

	if (fd < 0 || size > sizeof(buffer))
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (long i = 0; i < count; i++)
		if (pread(fd, buffer, size, 0) != (ssize_t)size)
			return 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("wall_ns=%.1f\n", ((double)(end.tv_sec - start.tv_sec) * 1e9 +
	       (double)(end.tv_nsec - start.tv_nsec)) / (double)count);
	return 0;
}
