/* SPDX-License-Identifier: MIT */
/* See private_path.h. */
#include "private_path.h"

#include <dirent.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "llmtrace/format.h"
#include "llmtrace/privacy.h"

static bool stands_for(const char *mark, size_t mark_length, const char *name)
{
	char own[LT_PRIVACY_MARK_BYTES];
	size_t length = lt_privacy_mark_name(name, strlen(name), own);

	return length == mark_length && !memcmp(own, mark, length);
}

static bool take_if(const char *mark, size_t mark_length, const char *name, char *ret_name,
		    size_t bytes)
{
	if (!name || !*name || strchr(name, '/') || strlen(name) >= bytes ||
	    !stands_for(mark, mark_length, name))
		return false;
	strcpy(ret_name, name);
	return true;
}

/* A home folder need not be one that may be listed; the user's own name is known without. */
static bool is_own_name(const char *mark, size_t mark_length, char *ret_name, size_t bytes)
{
	const struct passwd *self = getpwuid(getuid());
	const char *home = getenv("HOME"), *slash = home ? strrchr(home, '/') : NULL;

	return take_if(mark, mark_length, getenv("USER"), ret_name, bytes) ||
	       take_if(mark, mark_length, getenv("LOGNAME"), ret_name, bytes) ||
	       take_if(mark, mark_length, slash ? slash + 1 : NULL, ret_name, bytes) ||
	       take_if(mark, mark_length, self ? self->pw_name : NULL, ret_name, bytes);
}

static bool is_listed_name(const char *folder, const char *mark, size_t mark_length, char *ret_name,
			   size_t bytes)
{
	DIR *listing = opendir(folder);
	const struct dirent *entry;
	bool is_found = false;

	while (listing && !is_found && (entry = readdir(listing)))
		is_found = take_if(mark, mark_length, entry->d_name, ret_name, bytes);
	if (listing)
		closedir(listing);
	return is_found;
}

char *private_path_find(const char *path)
{
	char found[LT_PATH_BYTES], name[256];
	size_t used = 0;

	for (const char *at = path; *at;) {
		size_t length = strcspn(at, "/");
		const char *part = at;

		if (lt_privacy_is_mark(at, length)) {
			found[used] = '\0';
			if (!is_own_name(at, length, name, sizeof(name)) &&
			    !is_listed_name(used ? found : ".", at, length, name, sizeof(name)))
				return strdup(path);
			part = name;
			at += length;
			length = strlen(name);
		} else {
			length += at[length] == '/';
			at += length;
		}
		if (used + length >= sizeof(found))
			return strdup(path);
		memcpy(found + used, part, length);
		used += length;
	}
	found[used] = '\0';
	return strdup(found);
}
