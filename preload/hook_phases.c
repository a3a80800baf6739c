/* SPDX-License-Identifier: MIT */
/*
 * Engine functions that mark phases (phase_calls.def). Entered from thunk.S by any thread of the
 * target, before and after each call; prototypes are not known here: structs by value change
 * between versions of the engine.
 *
 * Calls reach us through the PLT by the exported names, or by addresses that dlsym gave out:
 * python's ctypes and node load the engine where no global look-up finds it. For each address that
 * dlsym found there is an entry point of its own, so that such a call always goes to the very
 * function that was asked for.
 */
#include "phases.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "hook_call.h"
#include "io_runs.h"
#include "real.h"
#include "module_symbols.h"
#include "sys.h"
#include "writer.h"

enum phase {
#define LT_PHASE_CALL(name, tokens, result) PHASE_##name,
#include "phase_calls.def"
#undef LT_PHASE_CALL
	PHASE_COUNT
};

enum { TOKENS_none, TOKENS_batch };
enum { RESULT_word, RESULT_int32 };

struct phase_row {
	const char *name;
	void *entry;  /* exported */
	uint8_t call; /* LT_phase_call_ value */
	uint8_t tokens;
	uint8_t result;
};

#define LT_PHASE_CALL(name, tokens, result) extern void name(void);
#include "phase_calls.def"
#undef LT_PHASE_CALL

static const struct phase_row phases[] = {
#define LT_PHASE_CALL(name, tokens, result)                                                        \
	{ #name, (void *)name, LT_phase_call_##name, TOKENS_##tokens, RESULT_##result },
#include "phase_calls.def"
#undef LT_PHASE_CALL
};

/* Bytes of the caller's stack that the thunk copies for the callee, at most. */
#define STACK_BYTES_MAX 512u
#define PAGE_BYTES 4096u

/* ---- entry points that dlsym has given out: address | phase << 56; never taken back ---- */
#define SLOT_COUNT 32u /* as in thunk.S */
#define SLOT_ENTRY_BYTES 16u
#define SLOT_PHASE_SHIFT 56
#define SLOT_ADDR_MASK 0x00ffffffffffffffu

extern const uint8_t lt_phase_slots[] __attribute__((visibility("hidden")));

static uint64_t slots[SLOT_COUNT];

/*
 * Every thread walks in the same order, so the same function gets the same entry. @return NULL when
 * all are taken.
 */
static void *slot_entry(unsigned phase, const void *real)
{
	uint64_t wanted = (uintptr_t)real | (uint64_t)phase << SLOT_PHASE_SHIFT;

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		uint64_t found = 0;

		if (__atomic_compare_exchange_n(&slots[i], &found, wanted, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE) ||
		    found == wanted)
			return (void *)(uintptr_t)&lt_phase_slots[i * SLOT_ENTRY_BYTES];
	}
	return NULL;
}

/* ---- where the real functions are, by call site ---- */
#define SITE_COUNT 32u
#define CHANGE_TRIES 100000u

struct call_site {
	const void *caller;
	unsigned phase;
	void *real;
};

static struct call_site sites[SITE_COUNT];
static uint32_t sites_version; /* odd while somebody writes; who finds it odd does without */

static void *find_site(unsigned phase, const void *caller)
{
	uint32_t version = __atomic_load_n(&sites_version, __ATOMIC_ACQUIRE);
	void *real = NULL;

	if (version & 1)
		return NULL;
	for (unsigned i = 0; i < SITE_COUNT && !real; i++)
		if (sites[i].caller == caller && sites[i].phase == phase)
			real = sites[i].real;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&sites_version, __ATOMIC_RELAXED) == version ? real : NULL;
}

static bool begin_change(uint32_t *ret_version)
{
	*ret_version = __atomic_load_n(&sites_version, __ATOMIC_RELAXED);
	return !(*ret_version & 1) &&
	       __atomic_compare_exchange_n(&sites_version, ret_version, *ret_version + 1, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void end_change(uint32_t version)
{
	__atomic_store_n(&sites_version, version + 2, __ATOMIC_RELEASE);
}

static void remember_site(unsigned phase, const void *caller, void *real)
{
	uint32_t version;

	if (!begin_change(&version))
		return;
	for (unsigned i = 0; i < SITE_COUNT; i++) {
		if (sites[i].caller)
			continue;
		sites[i] = (struct call_site){ caller, phase, real };
		break;
	}
	end_change(version);
}

void phases_forget_modules(void)
{
	uint32_t version;
	unsigned tries = 0;

	/*
	 * in a child that was forked during a change the version stays odd: then nothing is found
	 * here any more
	 */
	while (!begin_change(&version)) {
		if (++tries == CHANGE_TRIES)
			return;
		arch_pause();
	}
	memset(sites, 0, sizeof(sites));
	end_change(version);
}

/*
 * The function that a call through the PLT of caller's module would have reached; NULL when there
 * is none.
 */
static void *find_real(unsigned phase, const void *caller)
{
	void *real = find_site(phase, caller);
	struct hook_scope *outer;

	if (LT_LIKELY(real != NULL))
		return real;
	outer = hook_own_begin();
	real = symbol_for_caller(phases[phase].name, caller);
	hook_own_end(outer);
	if (real)
		remember_site(phase, caller, real);
	return real;
}

/* As the loader ends a program that lacks a function. */
__attribute__((noreturn)) static void give_up(const char *name)
{
	static const char said[] = ": called, but no loaded library has it\n";

	sys_write(2, "llmtrace: ", 10);
	sys_write(2, name, strlen(name));
	sys_write(2, said, sizeof(said) - 1);
	writer_close(127);
	real__exit(127);
	__builtin_unreachable();
}

/* ---- recorded calls of this thread that have not returned, outermost first ---- */
#define DEPTH_MAX 3u

/* stack address << 8 | phase + 1; 0: none */
static __thread uint64_t active[DEPTH_MAX] __attribute__((tls_model("initial-exec")));

/*
 * The kernel's totals at the borders of phases; not for every token: what a generated one costs is their mean.
 */
static void want_sample(int64_t token_count)
{
	static int64_t last_count;
	int64_t before = __atomic_exchange_n(&last_count, token_count, __ATOMIC_RELAXED);

	if (token_count != 1 || before != 1)
		writer_want_sample();
}

static void record_end(unsigned phase, int64_t result)
{
	struct hook_scope scope;

	if (phases[phase].tokens == TOKENS_none)
		want_sample(-1);
	if (!hook_enter(&scope, LT_GROUP_phases, HOOK_CALLER()))
		return;
	io_runs_end_all(&scope);
	HOOK_EMIT(&scope, phase_end, phases[phase].call, clock_now(), 0, event->result = result);
	hook_leave(&scope);
}

/* Runs of small calls end at the borders of phases, so that each belongs to one. */
static bool record_begin(unsigned phase, const void *caller, int64_t token_count)
{
	struct hook_scope scope;

	want_sample(token_count);
	if (!hook_enter(&scope, LT_GROUP_phases, caller))
		return false;
	io_runs_end_all(&scope);
	HOOK_EMIT(&scope, phase_begin, phases[phase].call, clock_after(), hook_stack(&scope),
		  event->token_count = token_count);
	hook_leave(&scope);
	return true;
}

/*
 * Reads the first word of a page by a system call that changes nothing, since 64 is no way to
 * change a mask.
 */
static bool is_readable(uintptr_t page)
{
	return SYS_CALL(rt_sigprocmask, 64, page, NULL, 8, 0, 0) != -EFAULT;
}

#define FRAME_MARK 0x6c6c6d7068617365u

/* A word in the thunk's frame, which is below place; it tells a live frame from memory used again. */
static uint64_t *frame_mark(uintptr_t place)
{
	return (uint64_t *)(place - ARCH_PHASE_MARK);
}

static bool has_frame(uintptr_t place)
{
	return is_readable((uintptr_t)frame_mark(place)) &&
	       *frame_mark(place) == (FRAME_MARK ^ place);
}

/*
 * Calls that an exception or a jump has left. The stack grows down: those below this place are gone,
 * and of those above it the ones whose frame is.
 */
static void end_left_calls(uintptr_t place)
{
	for (unsigned i = DEPTH_MAX; i-- > 0;) {
		uint64_t call = active[i];

		if (!call || (call >> 8 > place && has_frame(call >> 8)))
			continue;
		active[i] = 0;
		record_end((unsigned)(call & 0xff) - 1, -1);
	}
}

/* Records the outermost call of a name: the engine calls itself, too. */
static void begin_call(unsigned phase, const void *caller, uintptr_t place, int64_t token_count)
{
	unsigned depth = 0;

	while (depth < DEPTH_MAX && active[depth]) {
		if ((active[depth] & 0xff) == phase + 1)
			return;
		depth++;
	}
	if (depth == DEPTH_MAX || !record_begin(phase, caller, token_count))
		return;
	active[depth] = place << 8 | (phase + 1);
	*frame_mark(place) = FRAME_MARK ^ place;
}

/* How much may be copied from the caller's stack: up to the end of what is known to be mapped. */
static uint64_t stack_bytes(const void *stack)
{
	uintptr_t start = (uintptr_t)stack;
	uintptr_t next_page = (start + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;

	if (next_page - start >= STACK_BYTES_MAX || is_readable(next_page))
		return STACK_BYTES_MAX;
	return next_page - start;
}

/* What the thunk needs: both in registers. */
struct phase_target {
	void *real;
	uint64_t stack_bytes;
};

struct phase_target lt_phase_enter(uint32_t entry, const void *caller, const void *stack)
	__attribute__((visibility("hidden")));
void lt_phase_exit(uint32_t entry, uint64_t result, const void *stack)
	__attribute__((visibility("hidden")));

static uint64_t slot_word(uint32_t entry)
{
	return __atomic_load_n(&slots[entry - PHASE_COUNT], __ATOMIC_ACQUIRE);
}

static unsigned entry_phase(uint32_t entry)
{
	if (entry < PHASE_COUNT)
		return entry;
	return (unsigned)(slot_word(entry) >> SLOT_PHASE_SHIFT);
}

static void *entry_real(uint32_t entry, const void *caller)
{
	if (entry < PHASE_COUNT)
		return find_real(entry, caller);
	return (void *)(uintptr_t)(slot_word(entry) & SLOT_ADDR_MASK);
}

struct phase_target lt_phase_enter(uint32_t entry, const void *caller, const void *stack)
{
	int saved = errno;
	unsigned phase = entry_phase(entry);
	struct phase_target target = { entry_real(entry, caller), stack_bytes(stack) };
	int64_t token_count = -1;

	if (!target.real)
		give_up(phases[phase].name);
	end_left_calls((uintptr_t)stack);
	if (phases[phase].tokens == TOKENS_batch && target.stack_bytes >= sizeof(int32_t))
		token_count = *(const int32_t *)stack;
	begin_call(phase, caller, (uintptr_t)stack, token_count);
	errno = saved;
	return target;
}

void lt_phase_exit(uint32_t entry, uint64_t result, const void *stack)
{
	unsigned phase = entry_phase(entry);
	uint64_t call = (uint64_t)(uintptr_t)stack << 8 | (phase + 1);
	int64_t value = phases[phase].result == RESULT_int32 ? (int32_t)result : (int64_t)result;

	end_left_calls((uintptr_t)stack - 1);
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		if (active[i] != call)
			continue;
		active[i] = 0;
		*frame_mark((uintptr_t)stack) = 0;
		record_end(phase, value);
	}
}

/* ---- dlsym ---- */
struct dlsym_answer {
	uint64_t is_answered; /* 0: thunk.S goes on to the real dlsym, as the caller itself */
	void *addr;
};

struct dlsym_answer lt_dlsym(void *handle, const char *name, const void *caller)
	__attribute__((visibility("hidden")));

/* @return PHASE_COUNT for any other name. */
static unsigned phase_of_name(const char *name)
{
	unsigned phase = 0;

	if (!name || name[0] != 'l')
		return PHASE_COUNT;
	while (phase < PHASE_COUNT && strcmp(phases[phase].name, name))
		phase++;
	return phase;
}

/*
 * Look-ups in the global scope find our own entry first: the answer is right if there is a function
 * behind it. When there is none, the look-up behind us leaves the loader's message for dlerror.
 */
static void *answer_global(unsigned phase, const void *caller)
{
	struct hook_scope *outer = hook_own_begin();
	void *real = symbol_in_scope(phases[phase].name, caller);

	hook_own_end(outer);
	dlerror();
	return real ? phases[phase].entry : real_dlsym(RTLD_NEXT, phases[phase].name);
}

struct dlsym_answer lt_dlsym(void *handle, const char *name, const void *caller)
{
	unsigned phase = phase_of_name(name);
	void *real, *linked, *entry;

	if (LT_UNLIKELY(!real_dlsym))
		real_resolve();
	if (LT_LIKELY(phase == PHASE_COUNT))
		return (struct dlsym_answer){ 0, NULL };
	/*
	 * the loader knows who comes next, but must not take our entry for a function when none is
	 * behind it
	 */
	if (handle == RTLD_NEXT)
		return (struct dlsym_answer){ !real_dlsym(RTLD_NEXT, name), NULL };
	if (handle == RTLD_DEFAULT)
		return (struct dlsym_answer){ 1, answer_global(phase, caller) };
	real = real_dlsym(handle, name);
	if (real == phases[phase].entry)
		return (struct dlsym_answer){ 1, answer_global(phase, caller) };
	if (!real)
		return (struct dlsym_answer){ 1, NULL };
	/* the function that calls through the PLT reach as well has one address for all */
	linked = real_dlsym(RTLD_NEXT, name);
	if (!linked)
		dlerror();
	entry = linked == real ? phases[phase].entry : slot_entry(phase, real);
	return (struct dlsym_answer){ 1, entry ? entry : real };
}
