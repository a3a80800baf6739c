/* SPDX-License-Identifier: MIT */
/* Names and sizes of files that were opened; see file_facts.h. */
#include "file_facts.h"

#include <errno.h>
#include <unistd.h>

#include "hook.h"
#include "model_offers.h"
#include "privacy.h"
#include "sys.h"
#include "text.h"

/* Small, for alternate signal stacks: a longer name is kept as the target gave it. */
#define PATH_BUFFER_BYTES 1024

uint32_t file_path_of(int fd, const char *fallback)
{
	char link[64];
	char path[PATH_BUFFER_BYTES];
	long length;

	/* a thread may have a table of descriptors of its own */
	text_format(link, sizeof(link), "/proc/thread-self/fd/%u", (uint64_t)(unsigned)fd);
	length = sys_readlink(link, path, sizeof(path));
	if (length <= 0 || length == (long)sizeof(path))
		return privacy_intern(fallback);
	return privacy_intern_bytes(path, (size_t)length);
}

/*
 * Whether a failed call must have read its path: other errors may come before the kernel looks at
 * it.
 */
static bool is_about_path(int error)
{
	return error == ENOENT || error == EACCES || error == ENOTDIR || error == EEXIST ||
	       error == EISDIR || error == ELOOP || error == ENAMETOOLONG;
}

uint32_t file_path_given(const char *path, int error)
{
	if (error == EFAULT)
		return 0;
	if (error && !is_about_path(error) &&
	    SYS_CALL(faccessat, AT_FDCWD, path, F_OK, 0, 0, 0) == -EFAULT)
		return 0;
	return privacy_intern(path);
}

struct file_facts file_facts_of(int fd, int flags, const char *path)
{
	struct file_facts facts = { 0 };
	struct stat stat;

	facts.path = path && path[0] == '/' ? privacy_intern(path) : file_path_of(fd, path);
	if (sys_fstat(fd, &stat) < 0)
		return facts;
	facts.file_bytes = (uint64_t)stat.st_size;
	facts.device = stat.st_dev;
	facts.inode = stat.st_ino;
	facts.file_mode = stat.st_mode;
	facts.block_bytes = (uint32_t)stat.st_blksize;
	model_offer_opened(fd, flags, &stat, path, facts.path);
	return facts;
}

struct file_facts file_facts_of_failed(const char *path, int error)
{
	return (struct file_facts){ .path = file_path_given(path, error) };
}
