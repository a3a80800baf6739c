/* SPDX-License-Identifier: MIT */
/*
 * Pages of model files and the tensors in them. A fault brings a page, and a page may hold the end
 * of one tensor and the begin of the next: it counts for the one that has most of it. One thread.
 */
#ifndef LLMTRACE_MODEL_PAGES_H
#define LLMTRACE_MODEL_PAGES_H

#include "model_files.h"

#define MODEL_PAGE_BYTES 4096u

/* What a page is for, and the bytes of the file around it that are for the same. */
struct model_page {
	struct model_place place;
	uint64_t begin, end;
};

/* offset: where the page begins in the file. */
struct model_page model_page_at(const struct model_file *file, uint64_t offset);

#endif
