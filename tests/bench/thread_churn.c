/* SPDX-License-Identifier: MIT */
/* thread_churn COUNT: threads created and joined one after the other; prints the wall time of one in ns. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *return_at_once(void *argument)
{
	return argument;
}

int main(int argc, char **argv)
{
	int count = argc == 2 ? atoi(argv[1]) : 0;
	struct timespec start, end;
	pthread_t thread;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < count; i++) {
		if (pthread_create(&thread, NULL, return_at_once, NULL))
			return 1;
		pthread_join(thread, NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("wall_ns=%.1f\n", ((double)(end.tv_sec - start.tv_sec) * 1e9 +
	       (double)(end.tv_nsec - start.tv_nsec)) / count);
	return 0;
}
