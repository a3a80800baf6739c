/* SPDX-License-Identifier: MIT */
/*
 * Demangling by the C++ runtime, then trimming: what tells overloads apart is dropped, what tells
 * functions apart is kept. See demangle.h.
 *
 * A mangled name of 300 bytes can stand for gigabytes: each substitution may name the two before
 * it. So the text is taken piece by piece and given up when it gets longer than names are.
 */
#include "demangle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Longer ones, mangled or not, stay as they are. */
#define MAX_NAME_BYTES 16384u

/*
 * Of libstdc++.a, where no header has it: hands out the text in pieces and allocates nothing, so
 * that its callback may leave by longjmp. @return 0 when the name was one.
 */
int __gcclibcxx_demangle_callback(const char *mangled,
				  void (*callback)(const char *piece, size_t length, void *opaque),
				  void *opaque);

struct name_text {
	char *bytes;
	size_t length;
	jmp_buf too_long;
};

static void add_piece(const char *piece, size_t length, void *opaque)
{
	struct name_text *text = opaque;

	if (length >= MAX_NAME_BYTES - text->length)
		longjmp(text->too_long, 1);
	memcpy(text->bytes + text->length, piece, length);
	text->length += length;
}

/* @return whether text holds the name. */
static bool demangle(const char *mangled, struct name_text *text)
{
	if (setjmp(text->too_long))
		return false;
	return __gcclibcxx_demangle_callback(mangled, add_piece, text) == 0;
}

/* Replaces every occurrence of from; to is never longer. */
static void replace(char *name, const char *from, const char *to)
{
	size_t from_length = strlen(from), to_length = strlen(to);
	char *kept = name, *at;

	while ((at = strstr(name, from))) {
		memmove(kept, name, (size_t)(at - name));
		kept += at - name;
		memcpy(kept, to, to_length);
		kept += to_length;
		name = at + from_length;
	}
	memmove(kept, name, strlen(name) + 1);
}

/* @return the character behind the bracket that closes the one at `at`; the end when none does. */
static char *skip_brackets(char *at, char open, char close)
{
	int depth = 0;

	for (; *at; at++) {
		if (*at == open)
			depth++;
		else if (*at == close && !(close == '>' && at[-1] == '-') && --depth == 0)
			return at + 1;
	}
	return at;
}

/* Removes ", std::allocator<...>" and its like: the defaults that nobody writes. */
static void drop_default(char *name, const char *begin)
{
	for (char *at = name; (at = strstr(at, begin));) {
		char *end = skip_brackets(at + strlen(begin) - 1, '<', '>');

		if (*end == ' ' && end[1] == '>')
			end++;
		memmove(at, end, strlen(end) + 1);
	}
}

/* An operator's own brackets are no brackets. @return the first character behind it. */
static char *skip_operator(char *at)
{
	at += strlen("operator");
	if (strncmp(at, "()", 2) == 0 || strncmp(at, "[]", 2) == 0)
		return at + 2;
	while (*at && strchr("<>=-+*/%^&|~!,", *at))
		at++;
	return at;
}

static bool is_operator(const char *name, const char *at)
{
	if (strncmp(at, "operator", strlen("operator")) != 0)
		return false;
	return at == name || at[-1] == ':' || at[-1] == ' ';
}

/*
 * Marks that begin with a bracket and belong to the name.
 * @return their end, NULL for a parameter list.
 */
static char *skip_named_bracket(char *at)
{
	static const char anonymous[] = "(anonymous namespace)";

	if (strncmp(at, anonymous, sizeof(anonymous) - 1) == 0)
		return at + sizeof(anonymous) - 1;
	return NULL;
}

/*
 * Cuts the name at its parameter list and moves its beginning behind the return type. A bracket
 * that is followed by "::" is the list of a function that a local class or lambda lies in: it is
 * dropped.
 */
static void drop_signature(char *name)
{
	char *begin = name, *at = name;

	if (strncmp(name, "decltype", strlen("decltype")) == 0)
		return;		/* a return type that itself has brackets */
	while (*at) {
		char *end;

		if (is_operator(name, at)) {
			at = skip_operator(at);
		} else if (*at == '<') {
			at = skip_brackets(at, '<', '>');
		} else if (*at == '{') {
			at = skip_brackets(at, '{', '}');
		} else if (*at == ' ') {
			begin = ++at;
		} else if (*at == '(') {
			end = skip_named_bracket(at);
			if (end) {
				at = end;
				continue;
			}
			end = skip_brackets(at, '(', ')');
			if (strncmp(end, " const::", 8) == 0)
				end += 6;
			if (strncmp(end, "::", 2) != 0) {
				*at = '\0';
				break;
			}
			memmove(at, end, strlen(end) + 1);
		} else {
			at++;
		}
	}
	if (begin != name && !strstr(name, "operator "))
		memmove(name, begin, strlen(begin) + 1);
}

void demangle_trim(char *name)
{
	replace(name, "std::__cxx11::", "std::");
	replace(name, "std::__1::", "std::");
	replace(name, "[abi:cxx11]", "");
	replace(name, "std::basic_string<char, std::char_traits<char>, std::allocator<char> >",
		"std::string");
	drop_default(name, ", std::allocator<");
	drop_default(name, ", std::char_traits<");
	drop_default(name, ", std::default_delete<");
	drop_signature(name);
	replace(name, " >", ">");
}

/* ".constprop.0", ".cold" and their like tell of the compiler and not of the function. */
static size_t base_length(const char *name)
{
	static const char *const suffixes[] = { ".constprop.", ".isra.", ".part.", ".cold",
						".lto_priv." };
	size_t length = strlen(name);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *at = strstr(name, suffixes[i]);

		if (at && at != name && (size_t)(at - name) < length)
			length = (size_t)(at - name);
	}
	return length;
}

char *demangle_name(const char *name)
{
	char *base = strndup(name, base_length(name));
	struct name_text text = { 0 };

	if (!base || strncmp(base, "_Z", 2) != 0 || strlen(base) > MAX_NAME_BYTES)
		return base;
	text.bytes = malloc(MAX_NAME_BYTES);
	if (!text.bytes || !demangle(base, &text)) {
		free(text.bytes);
		return base;
	}
	free(base);
	text.bytes[text.length] = '\0';
	demangle_trim(text.bytes);
	base = strdup(text.bytes);
	free(text.bytes);
	return base;
}
