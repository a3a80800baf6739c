/* SPDX-License-Identifier: MIT */
/* Whose page it is; see model_pages.h. */
#include "model_pages.h"

/* The end of what is mapped as one: a page behind it is never asked for. */
static uint64_t page_end(uint64_t offset)
{
	return offset > UINT64_MAX - MODEL_PAGE_BYTES ? UINT64_MAX : offset + MODEL_PAGE_BYTES;
}

/* Many small tensors may share a page. */
static struct model_place largest_place(const struct model_file *file, uint64_t offset)
{
	uint64_t end = page_end(offset), most = 0;
	struct model_place best = model_file_place(file, offset), place;

	for (uint64_t at = offset; at < end; at = place.end_offset) {
		uint64_t place_end;

		place = model_file_place(file, at);
		place_end = place.end_offset < end ? place.end_offset : end;
		if (place_end - at <= most)
			continue;
		most = place_end - at;
		best = place;
	}
	return best;
}

/* Whole pages of a tensor go on as far as it does; a shared one stands alone. */
struct model_page model_page_at(const struct model_file *file, uint64_t offset)
{
	uint64_t end = page_end(offset);
	struct model_place place = model_file_place(file, offset);
	struct model_page page = { .begin = offset, .end = end };

	if (place.end_offset < end) {
		page.place = largest_place(file, offset);
		return page;
	}
	page.place = place;
	page.end = place.end_offset - (place.end_offset - offset) % MODEL_PAGE_BYTES;
	if (place.tensor)
		page.begin = offset - (offset - place.tensor->offset) / MODEL_PAGE_BYTES *
					      MODEL_PAGE_BYTES;
	return page;
}
