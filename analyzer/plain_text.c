/* SPDX-License-Identifier: MIT */
/* See plain_text.h. UTF-8 as RFC 3629 has it. */
#include "plain_text.h"

#include <stdlib.h>
#include <string.h>

/* @return bytes of a character, 0 when there is none; *ret_code gets its number. */
static size_t decode(const char *text, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t)*text;
	size_t bytes = lead < 0x80		      ? 1
		       : lead >= 0xc2 && lead <= 0xdf ? 2
		       : lead >= 0xe0 && lead <= 0xef ? 3
		       : lead >= 0xf0 && lead <= 0xf4 ? 4
						      : 0;
	uint32_t code = bytes == 1 ? lead : bytes ? lead & (0x7fu >> bytes) : 0;

	for (size_t i = 1; i < bytes; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((uint8_t)text[i] & 0x3f);
	}
	*ret_code = code;
	return bytes && code >= least[bytes] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
		       ? bytes
		       : 0;
}

static bool is_plain(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} bad[] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0x61c, 0x61c},
		{0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
		{0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (code >= bad[i].first && code <= bad[i].last)
			return false;
	return true;
}

size_t plain_next(const char *text, bool *ret_is_plain)
{
	uint32_t code;
	size_t bytes = decode(text, &code);

	*ret_is_plain = bytes && is_plain(code);
	return bytes ? bytes : 1;
}

bool plain_is(const char *text)
{
	bool is_one = true;

	while (*text && is_one)
		text += plain_next(text, &is_one);
	return is_one;
}

char *plain_utf8(const char *text)
{
	char *copy = malloc(strlen(text) * 3 + 1), *at = copy;
	uint32_t code;

	while (copy && *text) {
		size_t bytes = decode(text, &code);

		memcpy(at, bytes ? text : "\xef\xbf\xbd", bytes ? bytes : 3);
		at += bytes ? bytes : 3;
		text += bytes ? bytes : 1;
	}
	if (copy)
		*at = '\0';
	return copy;
}
