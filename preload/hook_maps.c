/* SPDX-License-Identifier: MIT */
/*
 * Hooks on mappings: made, released, moved, protected, advised, locked; the program break. Any
 * thread, signal handlers. The target's pages are never touched.
 *
 * A release is stamped before the real call, since another thread may get the range at once, and
 * recorded after it, with its duration and result. mremap does both: it releases when it begins and
 * acquires when it ends. Calls inside the C library (malloc, thread stacks, the loader) do not pass
 * here.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook_call.h"
#include "hooked.h"
#include "model_offers.h"
#include "real.h"

struct map_request {
	size_t length;
	uint64_t offset;
	int prot;
	int flags;
	int fd;
};

static void record_map(const void *caller, unsigned call, const struct map_request *request,
		       const void *addr, uint64_t begin, struct hook_faults before)
{
	uint64_t end = call_end(begin);
	bool has_failed = addr == MAP_FAILED;
	struct hook_faults inside;
	struct hook_scope scope;

	if (!begin || !hook_enter(&scope, LT_GROUP_maps, caller))
		return;
	inside = call_faults_since(request->flags & (MAP_POPULATE | MAP_LOCKED), before);
	HOOK_EMIT(&scope, map, call, end, hook_stack(&scope),
		  event->addr = has_failed ? 0 : (uintptr_t)addr;
		  event->length_bytes = request->length; event->offset_bytes = request->offset;
		  event->duration_ns = end - begin; event->fd = request->fd;
		  event->prot = (uint32_t)request->prot; event->flags = (uint32_t)request->flags;
		  event->error = call_error(&scope, has_failed);
		  event->minor_fault_count = inside.minor_count;
		  event->major_fault_count = inside.major_count);
	if (!has_failed && !(request->flags & MAP_ANONYMOUS))
		model_offer_mapped(request->fd, request->length);
	hook_leave(&scope);
}

LT_EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	struct map_request request = { length, (uint64_t)offset, prot, flags, fd };
	uint64_t begin = call_begin(LT_GROUP_maps);
	struct hook_faults before = call_faults(begin && flags & (MAP_POPULATE | MAP_LOCKED));
	void *result = real_mmap(addr, length, prot, flags, fd, offset);

	record_map(HOOK_CALLER(), LT_map_call_mmap, &request, result, begin, before);
	return result;
}

LT_EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
{
	struct map_request request = { length, (uint64_t)offset, prot, flags, fd };
	uint64_t begin = call_begin(LT_GROUP_maps);
	struct hook_faults before = call_faults(begin && flags & (MAP_POPULATE | MAP_LOCKED));
	void *result = real_mmap64(addr, length, prot, flags, fd, offset);

	record_map(HOOK_CALLER(), LT_map_call_mmap64, &request, result, begin, before);
	return result;
}

LT_EXPORT int munmap(void *addr, size_t length)
{
	uint64_t begin = call_begin(LT_GROUP_maps);
	int result = real_munmap(addr, length);
	uint64_t end = call_end(begin);
	struct hook_scope scope;

	if (begin && hook_enter(&scope, LT_GROUP_maps, HOOK_CALLER())) {
		HOOK_EMIT(&scope, unmap, 0, begin, hook_stack(&scope),
			  event->addr = (uintptr_t)addr;
			  event->length_bytes = length; event->duration_ns = end - begin;
			  event->error = call_error(&scope, result < 0); event->reserved = 0);
		hook_leave(&scope);
	}
	return result;
}

static void record_remap_begin(const void *caller, const void *addr, size_t length)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_maps, caller))
		return;
	HOOK_EMIT(&scope, remap_begin, 0, clock_now(), hook_stack(&scope),
		  event->addr = (uintptr_t)addr;
		  event->length_bytes = length);
	hook_leave(&scope);
}

static void record_remap_end(const void *caller, const void *addr, size_t length, int flags,
			     uint64_t begin)
{
	uint64_t end = call_end(begin);
	bool has_failed = addr == MAP_FAILED;
	struct hook_scope scope;

	if (!begin || !hook_enter(&scope, LT_GROUP_maps, caller))
		return;
	HOOK_EMIT(&scope, remap_end, 0, end, hook_stack(&scope),
		  event->addr = has_failed ? 0 : (uintptr_t)addr;
		  event->length_bytes = length; event->duration_ns = end - begin;
		  event->flags = (uint32_t)flags; event->error = call_error(&scope, has_failed));
	hook_leave(&scope);
}

LT_EXPORT void *mremap(void *addr, size_t old_length, size_t new_length, int flags, ...)
{
	const int has_target = MREMAP_FIXED | MREMAP_DONTUNMAP;
	uint64_t begin = call_begin(LT_GROUP_maps);
	va_list arguments;
	void *result;

	if (begin)
		record_remap_begin(HOOK_CALLER(), addr, old_length);
	if (flags & has_target) {
		va_start(arguments, flags);
		result =
			real_mremap(addr, old_length, new_length, flags, va_arg(arguments, void *));
		va_end(arguments);
	} else {
		result = real_mremap(addr, old_length, new_length, flags);
	}
	record_remap_end(HOOK_CALLER(), result, new_length, flags, begin);
	return result;
}

LT_EXPORT int mprotect(void *addr, size_t length, int prot)
{
	uint64_t begin = call_begin(LT_GROUP_maps);
	int result = real_mprotect(addr, length, prot);
	uint64_t end = call_end(begin);
	struct hook_scope scope;

	if (begin && hook_enter(&scope, LT_GROUP_maps, HOOK_CALLER())) {
		HOOK_EMIT(&scope, protect, 0, end, hook_stack(&scope),
			  event->addr = (uintptr_t)addr;
			  event->length_bytes = length; event->duration_ns = end - begin;
			  event->prot = (uint32_t)prot;
			  event->error = call_error(&scope, result < 0));
		hook_leave(&scope);
	}
	return result;
}

/* A call of event advise that runs. */
struct advise_call {
	uint64_t begin;
	bool has_faults; /* the faults inside are measured */
	struct hook_faults before;
};

static struct advise_call advise_begin(bool has_faults)
{
	struct advise_call call = { call_begin(LT_GROUP_maps), has_faults, { 0, 0 } };

	call.has_faults = has_faults && call.begin;
	call.before = call_faults(call.has_faults);
	return call;
}

/* error: an error number, or -1: the call has set errno. */
static void record_advise(const void *caller, unsigned name, const struct advise_call *call,
			  const void *addr, size_t length, int advice, int error)
{
	uint64_t end = call_end(call->begin);
	struct hook_faults inside;
	struct hook_scope scope;

	if (!call->begin || !hook_enter(&scope, LT_GROUP_maps, caller))
		return;
	inside = call_faults_since(call->has_faults, call->before);
	HOOK_EMIT(&scope, advise, name, end, hook_stack(&scope), event->addr = (uintptr_t)addr;
		  event->length_bytes = length; event->duration_ns = end - call->begin;
		  event->advice = (uint32_t)advice;
		  event->error = error < 0 ? (uint32_t)scope.saved_errno : (uint32_t)error;
		  event->minor_fault_count = inside.minor_count;
		  event->major_fault_count = inside.major_count);
	hook_leave(&scope);
}

LT_EXPORT int madvise(void *addr, size_t length, int advice)
{
	struct advise_call call = advise_begin(true);
	int result = real_madvise(addr, length, advice);

	record_advise(HOOK_CALLER(), LT_advise_call_madvise, &call, addr, length, advice, result);
	return result;
}

LT_EXPORT int posix_madvise(void *addr, size_t length, int advice)
{
	struct advise_call call = advise_begin(true);
	int error = real_posix_madvise(addr, length, advice);

	record_advise(HOOK_CALLER(), LT_advise_call_posix_madvise, &call, addr, length, advice,
		      error);
	return error;
}

LT_EXPORT int mlock(const void *addr, size_t length)
{
	struct advise_call call = advise_begin(true);
	int result = real_mlock(addr, length);

	record_advise(HOOK_CALLER(), LT_advise_call_mlock, &call, addr, length, 0, result);
	return result;
}

LT_EXPORT int mlock2(const void *addr, size_t length, unsigned int flags)
{
	struct advise_call call = advise_begin(true);
	int result = real_mlock2(addr, length, flags);

	record_advise(HOOK_CALLER(), LT_advise_call_mlock2, &call, addr, length, (int)flags,
		      result);
	return result;
}

LT_EXPORT int mlockall(int flags)
{
	struct advise_call call = advise_begin(true);
	int result = real_mlockall(flags);

	record_advise(HOOK_CALLER(), LT_advise_call_mlockall, &call, NULL, 0, flags, result);
	return result;
}

LT_EXPORT int munlock(const void *addr, size_t length)
{
	struct advise_call call = advise_begin(false);
	int result = real_munlock(addr, length);

	record_advise(HOOK_CALLER(), LT_advise_call_munlock, &call, addr, length, 0, result);
	return result;
}

LT_EXPORT int munlockall(void)
{
	struct advise_call call = advise_begin(false);
	int result = real_munlockall();

	record_advise(HOOK_CALLER(), LT_advise_call_munlockall, &call, NULL, 0, 0, result);
	return result;
}

LT_EXPORT int msync(void *addr, size_t length, int flags)
{
	struct advise_call call = advise_begin(false);
	int result = real_msync(addr, length, flags);

	record_advise(HOOK_CALLER(), LT_advise_call_msync, &call, addr, length, flags, result);
	return result;
}

static void record_brk(const void *caller, unsigned call, int64_t argument, uintptr_t result,
		       bool has_failed)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_maps, caller))
		return;
	HOOK_EMIT(&scope, brk, call, clock_after(), hook_stack(&scope), event->argument = argument;
		  event->result = result; event->error = call_error(&scope, has_failed);
		  event->reserved = 0);
	hook_leave(&scope);
}

LT_EXPORT int brk(void *addr)
{
	int result = real_brk(addr);

	record_brk(HOOK_CALLER(), LT_brk_call_brk, (int64_t)(intptr_t)addr,
		   (uintptr_t)(intptr_t)result, result < 0);
	return result;
}

LT_EXPORT void *sbrk(intptr_t increment)
{
	void *result = real_sbrk(increment);

	record_brk(HOOK_CALLER(), LT_brk_call_sbrk, increment, (uintptr_t)result,
		   (intptr_t)result == -1);
	return result;
}
