/* SPDX-License-Identifier: MIT */
/*
 * Which engine was traced, so that advice names the flag that its user can give. Told by the
 * program, its command and the libraries that it loaded.
 */
#ifndef LLMTRACE_FINDINGS_ENGINE_H
#define LLMTRACE_FINDINGS_ENGINE_H

#include <stdbool.h>

#include "trace.h"

enum engine_kind {
	ENGINE_UNKNOWN,	  /* no engine that we know, or a host of its own on llama.h */
	ENGINE_LLAMA,	  /* programs of llama.cpp since v0.5.0 */
	ENGINE_LLAMA_OLD, /* before: other names of flags */
	ENGINE_KOBOLDCPP,
	ENGINE_NODE, /* node-llama-cpp */
};

enum engine_flag {
	ENGINE_FLAG_NO_MMAP, ENGINE_FLAG_MMAP, ENGINE_FLAG_NO_MLOCK, ENGINE_FLAG_THREADS,
	ENGINE_FLAG_NO_FIT, ENGINE_FLAG_MLOCK, ENGINE_FLAG_NO_RANDOM, ENGINE_FLAG_COUNT,
};

struct engine {
	enum engine_kind kind;
	bool has_gpu;			/* a GPU run-time library was loaded */
};

struct engine engine_of(const struct trace *trace);

/* @return how to ask for it, as the middle of a sentence: "`-lm none`". */
const char *engine_flag(const struct engine *engine, enum engine_flag flag);

#endif
