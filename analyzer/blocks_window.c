/* SPDX-License-Identifier: MIT */
/* The sliding view of blocks_window.h. */
#include "blocks_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_BYTES (1u << 20)

void window_init(struct window *window, int fd, uint64_t file_bytes)
{
	memset(window, 0, sizeof(*window));
	window->fd = fd;
	window->file_bytes = file_bytes;
}

void window_release(struct window *window)
{
	free(window->bytes);
	window->bytes = NULL;
}

size_t window_pread(int fd, void *bytes, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t got =
			pread(fd, (uint8_t *)bytes + done, length - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

static int fill(struct window *window, uint64_t offset, uint64_t length)
{
	size_t wanted = length > WINDOW_BYTES ? (size_t)length : WINDOW_BYTES;

	if (wanted > window->capacity) {
		uint8_t *bytes = realloc(window->bytes, wanted);

		if (!bytes)
			return 0;
		window->bytes = bytes;
		window->capacity = wanted;
	}
	if (wanted > window->file_bytes - offset)
		wanted = (size_t)(window->file_bytes - offset);
	window->offset = offset;
	window->length = window_pread(window->fd, window->bytes, wanted, offset);
	return window->length >= length;
}

const uint8_t *window_at(struct window *window, uint64_t offset, uint64_t length)
{
	if (offset > window->file_bytes || length > window->file_bytes - offset)
		return NULL;
	if ((offset < window->offset || offset + length > window->offset + window->length) &&
	    !fill(window, offset, length))
		return NULL;
	return window->bytes + (offset - window->offset);
}

const uint8_t *window_some(struct window *window, uint64_t offset, size_t *ret_length)
{
	const uint8_t *bytes = window_at(window, offset, 1);

	if (bytes)
		*ret_length = (size_t)(window->offset + window->length - offset);
	return bytes;
}
