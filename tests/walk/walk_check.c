/* SPDX-License-Identifier: MIT */
/*
 * A preload library that compares the shim's walker with libunwind: at calls of malloc and realloc it
 * walks the stack with frame rules, with complete evaluation, and with unw_backtrace, in the same place.
 * When the process ends it adds a line of counts to the file that WALK_CHECK names, and the first stacks
 * that differ.
 *
 * WALK_CHECK_EVERY: walks at every n-th call of a thread (default 1). Any thread; not in signal handlers.
 */
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame_rules.h"
#include "frame_walk.h"
#include "hook.h"

enum { FRAMES_MAX = 100, SHOWN_MAX = 20 };

extern void *__libc_stack_end;

/* What the walker needs of the shim. */
__thread struct hook_thread hook_self __attribute__((tls_model("initial-exec")));
void *(*real_dlsym)(void *handle, const char *name);

static void *(*real_malloc)(size_t size);
static void *(*real_realloc)(void *addr, size_t size);
static unsigned every = 1;
static char shown[1 << 16];
static size_t shown_bytes;
static unsigned shown_count;
static unsigned long walks, same, ours_longer, theirs_longer, different, complete_differs;
static __thread unsigned calls __attribute__((tls_model("initial-exec")));
static __thread int is_busy __attribute__((tls_model("initial-exec")));

static __attribute__((constructor)) void begin(void)
{
	const char *text = getenv("WALK_CHECK_EVERY");

	real_dlsym = dlsym;
	if (text)
		every = (unsigned)atoi(text);
	is_busy = 1;
	if (!frame_rules_init())
		abort();
	unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_PER_THREAD);
	is_busy = 0;
}

static void find_real(void)
{
	real_malloc = dlsym(RTLD_NEXT, "malloc");
	real_realloc = dlsym(RTLD_NEXT, "realloc");
}

static void show_stack(const char *who, const uintptr_t *frames, unsigned count)
{
	for (unsigned i = 0; i < count && shown_bytes + 256 < sizeof(shown); i++) {
		Dl_info info = {NULL, NULL, NULL, NULL};

		dladdr((void *)frames[i], &info);
		shown_bytes += (size_t)snprintf(shown + shown_bytes, 256, "  %s %2u %#lx %s %s\n", who, i,
						frames[i] - (uintptr_t)info.dli_fbase,
						info.dli_fname ? info.dli_fname : "?",
						info.dli_sname ? info.dli_sname : "?");
	}
}

/* From the function that called malloc on; the two walks have different frames before it. */
static unsigned cut(uintptr_t **frames, unsigned count, uintptr_t caller)
{
	for (unsigned i = 0; i < count && i < 6; i++)
		if ((*frames)[i] == caller) {
			*frames += i;
			count -= i;
			break;
		}
	while (count && !(*frames)[count - 1])
		count--;
	return count;
}

static void compare(const uintptr_t *ours, unsigned our_count, const uintptr_t *theirs,
		    unsigned their_count)
{
	unsigned common = our_count < their_count ? our_count : their_count;

	__atomic_add_fetch(&walks, 1, __ATOMIC_RELAXED);
	if (!memcmp(ours, theirs, common * sizeof(*ours))) {
		unsigned long *counter = our_count == their_count  ? &same
					 : our_count > their_count ? &ours_longer
								   : &theirs_longer;

		__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
		if (counter == &same)
			return;
	} else
		__atomic_add_fetch(&different, 1, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&shown_count, 1, __ATOMIC_RELAXED) >= SHOWN_MAX)
		return;
	show_stack("ours  ", ours, our_count);
	show_stack("theirs", theirs, their_count);
}

static __attribute__((noinline)) void check(uintptr_t caller)
{
	uintptr_t ours[FRAMES_MAX], complete[FRAMES_MAX], theirs[FRAMES_MAX];
	uintptr_t *our_frames = ours, *complete_frames = complete, *their_frames = theirs;
	struct frame_trail trail;
	struct frame_stack own = {0, 0};
	struct frame_walk walk = {own, 0, FRAMES_MAX, ours, &trail};
	unsigned our_count, complete_count, their_count;

	if (gettid() == getpid())
		walk.own = own = (struct frame_stack){(uintptr_t)__libc_stack_end - (64u << 20),
						      (uintptr_t)__libc_stack_end};
	our_count = cut(&our_frames, frame_walk(&walk, FRAME_STATE_OF_CALLER()), caller);
	complete_count = cut(&complete_frames, frame_walk_complete(&own, complete, FRAMES_MAX), caller);
	their_count = cut(&their_frames, (unsigned)unw_backtrace((void **)theirs, FRAMES_MAX), caller);
	/* a full buffer says nothing about the last frames */
	if (our_count > FRAMES_MAX - 8)
		our_count = complete_count = their_count = FRAMES_MAX - 8;
	if (complete_count != our_count ||
	    memcmp(our_frames, complete_frames, our_count * sizeof(*our_frames)))
		__atomic_add_fetch(&complete_differs, 1, __ATOMIC_RELAXED);
	compare(our_frames, our_count, their_frames, their_count);
}

static __attribute__((noinline)) void maybe_check(uintptr_t caller)
{
	int saved_errno = errno;

	if (is_busy || !rule_lines || ++calls % every)
		return;
	is_busy = 1;
	check(caller);
	is_busy = 0;
	errno = saved_errno;
}

void *malloc(size_t size)
{
	if (!real_malloc)
		find_real();
	maybe_check((uintptr_t)__builtin_return_address(0));
	return real_malloc(size);
}

void *realloc(void *addr, size_t size)
{
	if (!real_realloc)
		find_real();
	maybe_check((uintptr_t)__builtin_return_address(0));
	return real_realloc(addr, size);
}

static __attribute__((destructor)) void end(void)
{
	const char *path = getenv("WALK_CHECK");
	char line[256];
	int fd, length;

	is_busy = 1;
	if (!path || (fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
		return;
	length = snprintf(line, sizeof(line),
			  "walks=%lu same=%lu ours_longer=%lu theirs_longer=%lu different=%lu "
			  "complete_differs=%lu\n",
			  walks, same, ours_longer, theirs_longer, different, complete_differs);
	if (write(fd, line, (size_t)length) < 0 || write(fd, shown, shown_bytes) < 0)
		abort();
	close(fd);
}
