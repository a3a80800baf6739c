/* SPDX-License-Identifier: MIT */
/*
 * User names and secrets out of the trace; see privacy.h. A path is looked at where a hook interns
 * it: the calls that open files are long in the kernel, and no hook of the heap comes here.
 */
#include "privacy.h"

#include <string.h>
#include <sys/auxv.h>

#include "intern.h"
#include "llmtrace/privacy.h"
#include "options.h"
#include "sys.h"
#include "text.h"

/* Small, for alternate signal stacks: a longer path is cut when it holds a name. */
#define PATH_BUFFER_BYTES 1024
#define STRING_MAX_BYTES 4095u
#define PASSWD_BYTES 65536
#define FIRST_PERSON_ID 1000u /* lower ones are the system's own users */

static struct lt_privacy privacy;
static bool is_on;

/* Where there is no such call, the kernel has put random bytes on the stack at exec. */
static void make_key(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);

	if (SYS_CALL(getrandom, privacy.key, sizeof(privacy.key), 1, 0, 0, 0) ==
		    sizeof(privacy.key) ||
	    !random)
		return;
	memcpy(privacy.key, random, sizeof(privacy.key));
}

static void add_text(const char *name)
{
	lt_privacy_add_name(&privacy, name, strlen(name));
}

/* A home folder ends in the user's name, most often. */
static void add_home(const char *home, size_t length)
{
	size_t begin = length;

	while (begin && home[begin - 1] != '/')
		begin--;
	if (begin > 1) /* not a folder of the root, such as /root and /nonexistent */
		lt_privacy_add_name(&privacy, home + begin, length - begin);
}

static void add_from_environment(char **envp)
{
	static const char *const variables[] = {"USER=", "LOGNAME=", "SUDO_USER="};

	for (; envp && *envp; envp++) {
		const char *value;

		for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
			if (text_has_prefix(*envp, variables[i], &value))
				add_text(value);
		if (text_has_prefix(*envp, "HOME=", &value))
			add_home(value, strlen(value));
	}
}

/* NAME:x:UID:GID:COMMENT:HOME:SHELL. @return the field and its length. */
static const char *field_of(const char *line, unsigned number, size_t *ret_length)
{
	while (number-- && *line != '\n') {
		while (*line && *line != ':' && *line != '\n')
			line++;
		if (*line != ':')
			return NULL;
		line++;
	}
	*ret_length = strcspn(line, ":\n");
	return line;
}

static void add_from_passwd(void)
{
	uint64_t own_id = (uint64_t)SYS_CALL(getuid, 0, 0, 0, 0, 0, 0);
	char *text = own_id >= FIRST_PERSON_ID ? sys_memory(PASSWD_BYTES) : NULL;
	const char *line = text;

	if (text && text_read_file("/etc/passwd", text, PASSWD_BYTES) <= 0)
		line = NULL;
	while (line) {
		size_t length;
		const char *id = field_of(line, 2, &length);

		if (id && text_number(id, 10) == own_id) {
			lt_privacy_add_name(&privacy, line, strcspn(line, ":\n"));
			id = field_of(line, 5, &length);
			if (id)
				add_home(id, length);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	if (text)
		sys_memory_release(text, PASSWD_BYTES);
}

void privacy_init(char **envp)
{
	is_on = strcmp(options_get()->privacy, "off");
	if (!is_on)
		return;
	make_key();
	add_from_environment(envp);
	add_from_passwd();
}

static size_t copy(const char *text, size_t length, char *buffer, size_t bytes)
{
	if (length >= bytes)
		length = bytes - 1;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	return length;
}

size_t privacy_path(const char *path, size_t length, char *buffer, size_t bytes)
{
	return is_on ? lt_privacy_path(&privacy, path, length, buffer, bytes)
		     : copy(path, length, buffer, bytes);
}

size_t privacy_command(const char *command, size_t length, char *buffer, size_t bytes)
{
	return is_on ? lt_privacy_command(&privacy, command, length, buffer, bytes)
		     : copy(command, length, buffer, bytes);
}

static __attribute__((noinline)) uint32_t intern_replaced(const char *path, size_t length)
{
	char buffer[PATH_BUFFER_BYTES];

	length = lt_privacy_path(&privacy, path, length, buffer, sizeof(buffer));
	return intern_text(buffer, length);
}

uint32_t privacy_intern_bytes(const char *path, size_t length)
{
	if (is_on && lt_privacy_is_private(&privacy, path, length))
		return intern_replaced(path, length);
	return intern_text(path, length);
}

uint32_t privacy_intern(const char *path)
{
	return path ? privacy_intern_bytes(path, strnlen(path, STRING_MAX_BYTES)) : 0;
}
