/* SPDX-License-Identifier: MIT */
/*
 * Replacing what is private in texts of a trace: values of prompt, key, token and password options
 * and variables, and user names in paths (privacy.def has the list). A text becomes <LENGTH:HASH>,
 * the length in bytes and eight hexadecimal digits. Used by the shim when it records, and by
 * `llmtrace-report scrub` afterwards, so that both replace the same.
 *
 * The hash of a secret has a random key that is stored nowhere: equal values of one trace look
 * equal, and nobody can find a short one by trying. The hash of a user name has no key: the same
 * path is the same text in two traces, and the report finds the file again on a machine that has
 * it. It hides a name from a reader, not from somebody who tries a list of names.
 *
 * What is replaced already stays as it is. No function allocates, blocks or touches errno; all are
 * for any thread as long as nobody changes the struct.
 */
#ifndef LLMTRACE_PRIVACY_H
#define LLMTRACE_PRIVACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LT_PRIVACY_NAMES 16u
#define LT_PRIVACY_NAME_BYTES 64u
/* "<", 20 digits, ":", 8 digits, ">" and the terminator. */
#define LT_PRIVACY_MARK_BYTES 32u

struct lt_privacy {
	uint64_t key[2]; /* random */
	uint32_t name_count;
	struct lt_privacy_name {
		uint32_t length;
		char text[LT_PRIVACY_NAME_BYTES];
	} names[LT_PRIVACY_NAMES]; /* components of paths that are users' names, whatever is before
				    */
};

/*
 * Adds a user's name; "", "root", names of folders that every system has, and names that are too
 * long are left out.
 */
void lt_privacy_add_name(struct lt_privacy *privacy, const char *name, size_t length);

/* Adds the names that a path holds behind the folders of privacy.def, such as /home/. */
void lt_privacy_learn(struct lt_privacy *privacy, const char *path, size_t length);

/* @return whether lt_privacy_path would change the path. */
bool lt_privacy_is_private(const struct lt_privacy *privacy, const char *path, size_t length);

/*
 * Writes a path with its user names replaced, terminated, cut to what fits; out and path do not
 * overlap. @return the length without the terminator.
 */
size_t lt_privacy_path(const struct lt_privacy *privacy, const char *path, size_t length, char *out,
		       size_t out_bytes);

/*
 * The same for a command line, as /proc/PID/cmdline has it: arguments with a zero between them. An
 * argument of several words that holds a private option or variable is replaced as a whole.
 */
size_t lt_privacy_command(const struct lt_privacy *privacy, const char *command, size_t length,
			  char *out, size_t out_bytes);

/* @return whether a text is what these functions put in the place of another. */
bool lt_privacy_is_mark(const char *text, size_t length);

/* Writes what stands for a user's name, terminated; out has LT_PRIVACY_MARK_BYTES. */
size_t lt_privacy_mark_name(const char *name, size_t length, char *out);

#endif
