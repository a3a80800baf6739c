/* SPDX-License-Identifier: MIT */
/*
 * Hooks on reads through streams, in the locked, unlocked and checked forms. Any thread. Calls
 * below 4 KiB are folded (io_runs.h): a parser makes them by the hundred thousand. Larger ones are
 * events of their own. Nothing of stdio is called that may block: the position of a stream whose
 * lock is taken stays unknown.
 */
#include <string.h>

#include "hook_call.h"
#include "hooked.h"
#include "io_runs.h"
#include "real.h"

#define FAULTS_FROM_BYTES (64u << 10)

struct stream_call {
	uint64_t begin;
	uint64_t state;	      /* io_state before the call */
	int64_t offset_bytes; /* position before the call, -1 when it is not known */
	bool has_faults;
	struct hook_faults before;
};

/*
 * What a call did. kind: LT_run_kind_ value; name: LT_stream_call_ value; size_bytes: what decides
 * on folding.
 */
struct stream_result {
	FILE *stream;
	unsigned kind;
	unsigned name;
	const void *buffer;
	uint64_t asked_bytes;
	uint64_t got_bytes;
	uint64_t size_bytes;
};

/*
 * Starts the clock last. Large reads have their exact position, small ones follow the run that they
 * belong to.
 */
static inline struct stream_call stream_begin(FILE *stream, unsigned kind, uint64_t asked_bytes)
{
	const struct io_key key = { stream, -1, kind };
	struct stream_call call = { .offset_bytes = -1 };

	if (!call_is_on_files())
		return call;
	call.state = io_state(&key);
	if (LT_UNLIKELY(asked_bytes >= IO_RUN_MAX_BYTES ||
			!io_run_goes_on(&key, call.state, &call.offset_bytes)))
		call.offset_bytes = io_stream_position(stream);
	call.has_faults = asked_bytes >= FAULTS_FROM_BYTES;
	call.before = call_faults(call.has_faults);
	call.begin = clock_now();
	return call;
}

static void add_small(const struct hook_scope *scope, const struct stream_call *call,
		      const struct stream_result *result, uint64_t end)
{
	const struct io_call small = {
		.key = { result->stream, -1, result->kind },
		.state = call->state,
		.offset_bytes = call->offset_bytes,
		.begin = call->begin,
		.end = end,
		.bytes = result->got_bytes,
		.has_failed = result->got_bytes == 0 && result->asked_bytes &&
			      ferror_unlocked(result->stream),
	};

	io_run_add(scope, &small);
}

static void record_large(const struct hook_scope *scope, const struct stream_call *call,
			 const struct stream_result *result, uint64_t end)
{
	struct hook_faults inside = call_faults_since(call->has_faults, call->before);

	io_runs_end(scope, result->stream, -1);
	HOOK_EMIT(scope, stream_read, result->name, end, hook_stack(scope),
		  event->stream = (uintptr_t)result->stream;
		  event->offset_bytes = call->offset_bytes;
		  event->buffer = (uintptr_t)result->buffer;
		  event->asked_bytes = result->asked_bytes;
		  event->got_bytes = (int64_t)result->got_bytes;
		  event->duration_ns = end - call->begin;
		  event->minor_fault_count = inside.minor_count;
		  event->major_fault_count = inside.major_count);
}

static inline void stream_end(const void *caller, const struct stream_call *call,
			      const struct stream_result *result)
{
	uint64_t end = call_end(call->begin);
	struct hook_scope scope;

	if (!call->begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	if (LT_LIKELY(result->size_bytes < IO_RUN_MAX_BYTES))
		add_small(&scope, call, result, end);
	else
		record_large(&scope, call, result, end);
	hook_leave(&scope);
}

/* Bytes of count items; all there are when that overflows. */
static inline uint64_t item_bytes(size_t size, size_t count)
{
	size_t bytes;

	return __builtin_mul_overflow(size, count, &bytes) ? SIZE_MAX : bytes;
}

static inline void fread_end(const void *caller, const struct stream_call *call, const void *buffer,
			     size_t size, size_t count, size_t got, FILE *stream)
{
	uint64_t asked = item_bytes(size, count);
	const struct stream_result result = { stream,
					      LT_run_kind_fread,
					      LT_stream_call_fread,
					      buffer,
					      asked,
					      (uint64_t)got * size,
					      asked };

	stream_end(caller, call, &result);
}

LT_EXPORT size_t fread(void *buffer, size_t size, size_t count, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fread, item_bytes(size, count));
	size_t got = real_fread(buffer, size, count, stream);

	fread_end(HOOK_CALLER(), &call, buffer, size, count, got, stream);
	return got;
}

LT_EXPORT size_t fread_unlocked(void *buffer, size_t size, size_t count, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fread, item_bytes(size, count));
	size_t got = real_fread_unlocked(buffer, size, count, stream);

	fread_end(HOOK_CALLER(), &call, buffer, size, count, got, stream);
	return got;
}

LT_EXPORT size_t __fread_chk(void *buffer, size_t room, size_t size, size_t count, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fread, item_bytes(size, count));
	size_t got = real___fread_chk(buffer, room, size, count, stream);

	fread_end(HOOK_CALLER(), &call, buffer, size, count, got, stream);
	return got;
}

LT_EXPORT size_t __fread_unlocked_chk(void *buffer, size_t room, size_t size, size_t count,
				      FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fread, item_bytes(size, count));
	size_t got = real___fread_unlocked_chk(buffer, room, size, count, stream);

	fread_end(HOOK_CALLER(), &call, buffer, size, count, got, stream);
	return got;
}

/* A buffer is much larger than the line that it gets: what was got decides. */
static inline void fgets_end(const void *caller, const struct stream_call *call, const char *buffer,
			     int bytes, const char *got, FILE *stream)
{
	uint64_t got_bytes = call->begin && got ? strlen(got) : 0;
	const struct stream_result result = { stream,
					      LT_run_kind_fgets,
					      LT_stream_call_fgets,
					      buffer,
					      bytes > 0 ? (uint64_t)bytes - 1 : 0,
					      got_bytes,
					      got_bytes };

	stream_end(caller, call, &result);
}

LT_EXPORT char *fgets(char *buffer, int bytes, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fgets, 0);
	char *got = real_fgets(buffer, bytes, stream);

	fgets_end(HOOK_CALLER(), &call, buffer, bytes, got, stream);
	return got;
}

LT_EXPORT char *fgets_unlocked(char *buffer, int bytes, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fgets, 0);
	char *got = real_fgets_unlocked(buffer, bytes, stream);

	fgets_end(HOOK_CALLER(), &call, buffer, bytes, got, stream);
	return got;
}

LT_EXPORT char *__fgets_chk(char *buffer, size_t room, int bytes, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fgets, 0);
	char *got = real___fgets_chk(buffer, room, bytes, stream);

	fgets_end(HOOK_CALLER(), &call, buffer, bytes, got, stream);
	return got;
}

LT_EXPORT char *__fgets_unlocked_chk(char *buffer, size_t room, int bytes, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_fgets, 0);
	char *got = real___fgets_unlocked_chk(buffer, room, bytes, stream);

	fgets_end(HOOK_CALLER(), &call, buffer, bytes, got, stream);
	return got;
}

static inline void getc_end(const void *caller, const struct stream_call *call, int got,
			    FILE *stream)
{
	const struct stream_result result = { stream, LT_run_kind_getc, 0, NULL, 1, got != EOF, 1 };

	stream_end(caller, call, &result);
}

LT_EXPORT int fgetc(FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real_fgetc(stream);

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

LT_EXPORT int fgetc_unlocked(FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real_fgetc_unlocked(stream);

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

LT_EXPORT int getc(FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real_getc(stream);

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

LT_EXPORT int getc_unlocked(FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real_getc_unlocked(stream);

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

LT_EXPORT int _IO_getc(FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real__IO_getc(stream);

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

LT_EXPORT int getchar(void)
{
	FILE *stream = stdin;
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real_getchar();

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

LT_EXPORT int getchar_unlocked(void)
{
	FILE *stream = stdin;
	struct stream_call call = stream_begin(stream, LT_run_kind_getc, 1);
	int got = real_getchar_unlocked();

	getc_end(HOOK_CALLER(), &call, got, stream);
	return got;
}

static inline void getline_end(const void *caller, const struct stream_call *call, unsigned name,
			       char *const *line, ssize_t got, FILE *stream)
{
	uint64_t got_bytes = got > 0 ? (uint64_t)got : 0;
	const struct stream_result result = { stream,	 LT_run_kind_getline,
					      name,	 got > 0 ? *line : NULL,
					      got_bytes, got_bytes,
					      got_bytes };

	stream_end(caller, call, &result);
}

LT_EXPORT ssize_t getline(char **line, size_t *room, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getline, 0);
	ssize_t got = real_getline(line, room, stream);

	getline_end(HOOK_CALLER(), &call, LT_stream_call_getline, line, got, stream);
	return got;
}

LT_EXPORT ssize_t getdelim(char **line, size_t *room, int delimiter, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getline, 0);
	ssize_t got = real_getdelim(line, room, delimiter, stream);

	getline_end(HOOK_CALLER(), &call, LT_stream_call_getdelim, line, got, stream);
	return got;
}

LT_EXPORT ssize_t __getdelim(char **line, size_t *room, int delimiter, FILE *stream)
{
	struct stream_call call = stream_begin(stream, LT_run_kind_getline, 0);
	ssize_t got = real___getdelim(line, room, delimiter, stream);

	getline_end(HOOK_CALLER(), &call, LT_stream_call_getdelim, line, got, stream);
	return got;
}
