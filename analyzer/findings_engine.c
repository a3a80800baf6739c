/* SPDX-License-Identifier: MIT */
/*
 * Recognises the engine. The version stands in the name of the library (libllama.v0.5.0.so,
 * libllama.so.0.5.0); without one the flags of both generations are named.
 */
#include "findings_engine.h"

#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "";
}

/* @return 1 for a version of at least 0.5, 0 for an older one, -1 when the name tells none. */
static int is_new_library(const char *name)
{
	unsigned major, minor;

	if (sscanf(name, "libllama.v%u.%u", &major, &minor) != 2 &&
	    sscanf(name, "libllama.so.%u.%u", &major, &minor) != 2)
		return -1;
	return major > 0 || minor >= 5;
}

static bool is_gpu_library(const char *name)
{
	return !strncmp(name, "libggml-cuda", 12) || !strncmp(name, "libcudart", 9) ||
	       !strncmp(name, "libggml-vulkan", 14) || !strncmp(name, "libggml-hip", 11);
}

static bool is_koboldcpp(const struct trace *trace)
{
	const char *command = trace_meta(trace, "command");
	size_t bytes = trace_meta_bytes(trace, "command");

	return command && bytes && memmem(command, bytes, "koboldcpp", 9);
}

static enum engine_kind kind_of_program(const struct trace *trace, int is_new)
{
	const char *name = base_name(trace_meta(trace, "exe"));

	if (!strncmp(name, "node", 4))
		return ENGINE_NODE;
	if (strncmp(name, "llama-", 6))
		return ENGINE_UNKNOWN;
	return is_new == 0 ? ENGINE_LLAMA_OLD : ENGINE_LLAMA;
}

struct engine engine_of(const struct trace *trace)
{
	struct engine engine = { 0 };
	int is_new = -1;
	bool is_kobold = is_koboldcpp(trace);

	for (uint32_t i = 0; i < trace_module_limit(trace); i++) {
		const struct trace_module *module = trace_module(trace, i);
		const char *name = base_name(module ? module->path : NULL);
		int version = is_new_library(name);

		is_new = version >= 0 ? version : is_new;
		engine.has_gpu |= is_gpu_library(name);
		is_kobold |= !strncmp(name, "koboldcpp", 9);
	}
	engine.kind = is_kobold ? ENGINE_KOBOLDCPP : kind_of_program(trace, is_new);
	return engine;
}

const char *engine_flag(const struct engine *engine, enum engine_flag flag)
{
	static const char *const names[][ENGINE_FLAG_COUNT] = {
		[ENGINE_UNKNOWN] = {
			"use_mmap = false (or the load mode `none`) in llama_model_params",
			"use_mmap = true (or the load mode `mmap`) in llama_model_params",
			"clear use_mlock in llama_model_params",
			"n_threads in llama_context_params",
			"no call of llama_params_fit",
			"use_mlock = true in llama_model_params",
			"no MADV_RANDOM (in llama.cpp: no llama_numa_init)",
		},
		[ENGINE_LLAMA] = {
			"`-lm none` (`--no-mmap` before v0.5.0)", "`-lm mmap`",
			"leave `-lm mlock` out (`--mlock` before v0.5.0)", "`-t N`", "`-fit off`",
			"`-lm mlock` (`--mlock` before v0.5.0)",
			"leave `--numa` out, which asks for it",
		},
		[ENGINE_LLAMA_OLD] = {
			"`--no-mmap`", "leave `--no-mmap` out", "leave `--mlock` out", "`-t N`",
			"`-fit off`", "`--mlock`", "leave `--numa` out, which asks for it",
		},
		[ENGINE_KOBOLDCPP] = {
			"`--nommap`", "leave `--nommap` out", "leave `--usemlock` out",
			"`--threads N`",
			"no automatic fit", "`--usemlock`", "no MADV_RANDOM",
		},
		[ENGINE_NODE] = {
			"`useMmap: false` in loadModel", "`useMmap: true` in loadModel",
			"leave `useMlock` out of loadModel", "`threads` in createContext",
			"fixed `gpuLayers` and `contextSize`", "`useMlock: true` in loadModel",
			"leave `numa` out of getLlama",
		},
	};

	return names[engine->kind][flag];
}
