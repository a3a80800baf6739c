/* SPDX-License-Identifier: MIT */
/*
 * Checks on GPU libraries, opened here and now under the names that they are opened by at run time;
 * see doctor.h. The few declarations are our own: building needs no CUDA.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

typedef int (*init_fn)(unsigned flags);
typedef int (*plain_fn)(void);
typedef int (*number_fn)(int *ret_number);
typedef int (*count_fn)(unsigned *ret_number);

static bool has_device(void)
{
	return access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0;
}

/* @return the driver's library, open for good: some cannot be unloaded. */
static void *driver(void)
{
	static void *library;

	if (!library)
		library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	return library;
}

static void *symbol(void *library, const char *name)
{
	return library ? dlsym(library, name) : NULL;
}

static bool is_no_gpu(struct doctor_answer *answer)
{
	if (has_device() || driver())
		return false;
	doctor_say(answer, DOCTOR_NONE, "no NVIDIA GPU here");
	return true;
}

void doctor_cuda(struct doctor_answer *answer)
{
	init_fn init;
	number_fn count, version;
	int devices = 0, number = 0, result;

	if (is_no_gpu(answer))
		return;
	init = (init_fn)symbol(driver(), "cuInit");
	count = (number_fn)symbol(driver(), "cuDeviceGetCount");
	version = (number_fn)symbol(driver(), "cuDriverGetVersion");
	if (!init || !count || !version) {
		doctor_say(answer, DOCTOR_NO,
			   "there is a device, and libcuda.so.1 cannot be "
			   "opened: %s",
			   driver() ? "it is not one" : dlerror());
		doctor_remedy(answer, "install the driver's libraries, or start the container with "
				      "--gpus all");
		return;
	}
	result = init(0);
	if (result || count(&devices) || !devices) {
		doctor_say(answer, has_device() ? DOCTOR_NO : DOCTOR_NONE,
			   "libcuda.so.1 is here, and cuInit says %d with %d devices", result,
			   devices);
		if (has_device())
			doctor_remedy(answer, "nvidia-smi tells what is wrong with the driver");
		return;
	}
	version(&number);
	doctor_say(answer, DOCTOR_OK, "%d device%s, CUDA %d.%d", devices, devices == 1 ? "" : "s",
		   number / 1000, number % 1000 / 10);
}

/* RmProfilingAdminOnly: 1 keeps hardware counters to root; the activity records need none. */
static bool is_profiling_restricted(void)
{
	FILE *file = fopen("/proc/driver/nvidia/params", "re");
	char line[256];
	bool is_restricted = false;

	while (file && fgets(line, sizeof(line), file))
		is_restricted |= !strncmp(line, "RmProfilingAdminOnly: 1", 23);
	if (file)
		fclose(file);
	return is_restricted && getuid();
}

void doctor_cupti(struct doctor_answer *answer)
{
	static const char *const names[] = {"libcupti.so.13", "libcupti.so.12", "libcupti.so.11.8",
					    "libcupti.so"};
	void *library = NULL;
	count_fn get_version;
	unsigned version = 0;
	size_t i = 0;

	if (is_no_gpu(answer))
		return;
	for (; i < sizeof(names) / sizeof(names[0]) && !library; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	get_version = (count_fn)symbol(library, "cuptiGetVersion");
	if (!get_version || get_version(&version)) {
		doctor_say(answer, DOCTOR_NO,
			   "no libcupti can be opened (a program that brings "
			   "its own, such as PyTorch, is fine)");
		doctor_remedy(answer, "pip install nvidia-cuda-cupti and put its lib folder into "
				      "LD_LIBRARY_PATH, or install cuda-cupti of the toolkit");
		return;
	}
	doctor_say(answer, DOCTOR_OK, "%s, API %u%s", names[i - 1], version,
		   is_profiling_restricted() ? "; hardware counters are for root alone" : "");
}

void doctor_nvml(struct doctor_answer *answer)
{
	void *library;
	plain_fn init, shutdown;
	count_fn count;
	unsigned devices = 0;
	int result = -1;

	if (is_no_gpu(answer))
		return;
	library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	init = (plain_fn)symbol(library, "nvmlInit_v2");
	shutdown = (plain_fn)symbol(library, "nvmlShutdown");
	count = (count_fn)symbol(library, "nvmlDeviceGetCount_v2");
	if (init && shutdown && count)
		result = init();
	if (result == 0) {
		result = count(&devices);
		shutdown();
	}
	if (result == 0 && devices) {
		doctor_say(answer, DOCTOR_OK, "%u device%s", devices, devices == 1 ? "" : "s");
		return;
	}
	doctor_say(answer, DOCTOR_NO, "libnvidia-ml.so.1 %s (error %d)",
		   library ? "does not answer" : "cannot be opened", result);
	doctor_remedy(answer, "install the driver's libraries, or start the container with "
			      "--gpus all and NVIDIA_DRIVER_CAPABILITIES=utility,compute");
}
