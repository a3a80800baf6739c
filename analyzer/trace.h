/* SPDX-License-Identifier: MIT */
/*
 * The interface of the reader: a trace file (and, for a killed or running process, its rings) as
 * facts, definitions and events in time order. Nothing outside the reader sees blocks, columns or
 * slots.
 *
 * A trace is used by one thread; the workers that decode blocks ahead are hidden behind it.
 * Pointers that are handed out belong to the trace and live until trace_close, but for batches (see
 * there). Nothing in a file is trusted: ids in records are below the limits that are documented
 * here, so that dense arrays may be indexed with them.
 */
#ifndef LLMTRACE_ANALYZER_TRACE_H
#define LLMTRACE_ANALYZER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "llmtrace/events.h"

struct trace;

struct trace_options {
	unsigned thread_count;		/* in all, the caller's included; 0: one per CPU, at most 8 */
	bool is_rings_ignored;		/* read the file alone */
	bool remove_pool; /* keep the rings of a killed process in the trace, remove their file */
};

enum trace_state {
	TRACE_COMPLETE, /* closed in order */
	TRACE_RUNNING,	/* not closed, and the process is alive on this machine */
	TRACE_KILLED,	/* not closed, and the process is gone (or ran on another machine) */
};

/* How the rings of a process that did not close its trace were found. */
enum trace_rings {
	TRACE_RINGS_NOT_NEEDED, /* the file has everything */
	TRACE_RINGS_READ,
	TRACE_RINGS_MISSING,   /* the ring file is gone, not ours, or rings_text says what else */
	TRACE_RINGS_IN_MEMORY, /* they lay in the memory of the process: what they held is lost */
};

/* A stretch of the file that could not be read, or a gap in the positions of a stream. */
struct trace_damage {
	uint64_t offset;		/* in the file */
	uint64_t byte_count;		/* 0 for a gap */
	uint64_t event_count;		/* events that are missing, 0 when that is not known */
	bool is_estimated; /* event_count comes from slots of the stream that are missing */
	uint32_t stream;		/* 0 when not known */
	const char *reason;
};

/*
 * A segment of a trace with a bound (LLMTRACE_MAX_BYTES): what is behind it is there, what was
 * before it made room. Sums are of everything before it.
 */
struct trace_segment {
	uint64_t number;		/* from 1; 0: the trace has no bound */
	uint64_t begin_ns;
	uint64_t event_count;
	uint64_t written_bytes;
	uint64_t live_count, live_bytes;	/* blocks of the heap that were live */
};

/*
 * Facts of the whole trace. Valid from trace_open on; damage may grow while events are read, since
 * a block whose checksum is right can still hold nonsense.
 */
struct trace_facts {
	const char *path;
	uint64_t file_bytes;
	unsigned major, minor;
	unsigned machine;		/* e_machine of ELF */
	uint32_t pid, parent_pid;
	uint64_t start_ns;		/* CLOCK_MONOTONIC; times of events are on the same clock */
	uint64_t start_unix_ns;
	uint64_t end_ns; /* latest time known; of the last event when the trace was not closed */
	uint32_t groups;		/* enum lt_group: what was recorded */

	enum trace_state state;
	enum trace_rings rings;
	const char *rings_text;		/* why they are missing, "" otherwise */
	bool is_cut;			/* the last block of the file is not all there */
	bool is_damaged; /* damage_count > 0; a cut end of a running process is no damage */
	uint64_t cut_offset;		/* where the cut block begins */

	uint64_t event_count;		/* events that the file and the rings hold */
	uint64_t ring_event_count;	/* of these: read from the rings */
	/*
	 * Lost to full rings. Of a closed trace: what its end says. Else the sum of the
	 * stream_stats events (the rings' counters are delivered as such too), complete after the
	 * last batch.
	 */
	uint64_t lost_event_count;
	uint64_t block_count;
	struct trace_segment oldest;	/* with number > 1 events were dropped by the bound */
	uint64_t unknown_event_count; /* of kinds that are not known here; grows while reading */

	const struct trace_damage *damage;
	size_t damage_count;
	uint64_t damage_byte_count;
	uint64_t damage_event_count;	/* sum of the events known or estimated to be missing */
};

/* A thread's stream. A thread id that is used again gives another stream. */
struct trace_stream {
	uint32_t id;			/* 1 is the writer's own */
	uint32_t tid;			/* 0 when its definition is missing */
	uint64_t start_ns;
	uint64_t event_count;
};

struct trace_module {
	uint32_t id;
	uint64_t load_bias;		/* address - offset */
	uint64_t start_addr, end_addr;
	uint64_t first_generation, last_generation;	/* last: UINT64_MAX while it is loaded */
	uint64_t first_ns, last_ns;			/* last: UINT64_MAX while it is loaded */
	const uint8_t *build_id;
	size_t build_id_bytes;
	const char *path;
};

/*
 * A place in a module, in the file's own numbering; module 0: an absolute address outside every
 * module.
 */
struct trace_frame {
	uint32_t module;
	uint64_t offset;
};

struct trace_stack {
	const uint32_t *frames;		/* frame ids for trace_frame(), leaf first */
	uint32_t count;
	bool is_truncated;		/* the walk stopped at its depth limit */
};

/* A function whose name stands in the trace. */
struct trace_symbol {
	uint32_t module;
	uint64_t start_offset;
	uint64_t size_bytes;
	const char *name;		/* mangled */
};

/* A model file whose header was read while it was traced. */
struct trace_model {
	uint32_t id;			/* in the order in which they were read */
	const char *path;		/* as in the events that opened it */
	const char *format;		/* "gguf", "safetensors" */
	const char *architecture;	/* "" for none */
	uint64_t version;		/* of the format, 0 for none */
	uint64_t device, inode;
	uint64_t file_bytes;
	uint64_t data_offset;		/* where the data of the tensors begin */
	uint64_t alignment_bytes;	/* that the file names, 0 for none */
};

/* A tensor of a model file. */
struct trace_tensor {
	uint32_t model;
	uint64_t offset;		/* first byte in the file */
	uint64_t size_bytes;
	const char *type;		/* as its format names it */
	const char *name;
};

/*
 * Opens a trace: checks all blocks, reads all definitions and the rings, starts no thread yet.
 * options: NULL for the defaults. Damage is no error as long as the head of the file can be read.
 * @return 0, or ret_error->exit_code with ret_error filled: no such file, empty, not a trace, a
 * newer major version, not enough memory.
 */
int trace_open(const char *path, const struct trace_options *options, struct trace **ret_trace,
	       struct error *ret_error);

/* Ends the workers and releases everything. NULL is fine. */
void trace_close(struct trace *trace);

const struct trace_facts *trace_facts(const struct trace *trace);

/* @return the value of a fact about the run ("exe", ...), NULL when the trace does not have it. */
const char *trace_meta(const struct trace *trace, const char *key);
/* Its length: "command" holds the arguments with a zero between them. */
size_t trace_meta_bytes(const struct trace *trace, const char *key);

/* Facts in the order of the file, for a dump of them. @return false behind the last one. */
bool trace_meta_at(const struct trace *trace, size_t index, const char **ret_key,
		   const char **ret_value);

/*
 * Events that follow each other in time and come from one stream. records and what it points to are
 * valid until the next call of trace_next_batch, if not trace_keep_batches. Each record is the struct of its kind (struct
 * lt_ev_alloc for LT_KIND_alloc ...), with times and durations in ns, head.stack and all stack
 * fields below trace_stack_limit(), strings as ids for trace_string(), and kinds that this build
 * knows. Records of one stream keep their order at equal times; between streams a release (free,
 * unmap, close,
 * *_begin) comes before an acquire of the same ns.
 */
struct trace_batch {
	const struct lt_record *const *records;
	size_t count;			/* at least 1 */
	uint32_t stream;		/* below trace_stream_limit() */
	uint32_t tid;
	uint64_t number;		/* 1, 2, ...; for trace_release_batches() */
};

/* @return false when there are no more events. */
bool trace_next_batch(struct trace *trace, struct trace_batch *ret_batch);

/*
 * From now on batches stay valid until they are released, instead of until the next call; forgotten
 * by trace_rewind(). Memory grows with what is not released.
 */
void trace_keep_batches(struct trace *trace);

/* Gives back the batches up to and including that number. */
void trace_release_batches(struct trace *trace, uint64_t number);

/* @return the threads that the reader and who reads with it may use in all; at least 1. */
unsigned trace_thread_count(const struct trace *trace);

/* Starts again with the first event. Facts that grow while reading start again, too. */
void trace_rewind(struct trace *trace);

/* How far reading has come, for a progress bar: bytes of the file in blocks delivered so far. */
uint64_t trace_progress_bytes(const struct trace *trace);

/*
 * One more than the largest stream id, module id, stack id, string id and frame id. At
 * most 2^24 + 1.
 */
uint32_t trace_stream_limit(const struct trace *trace);
uint32_t trace_module_limit(const struct trace *trace);
uint32_t trace_stack_limit(const struct trace *trace);
uint32_t trace_string_limit(const struct trace *trace);
uint32_t trace_frame_limit(const struct trace *trace);

/* @return the stream of an id, NULL for an id that is not in use. */
const struct trace_stream *trace_stream(const struct trace *trace, uint32_t id);

/* @return the module of an id, NULL for one that is not defined. */
const struct trace_module *trace_module(const struct trace *trace, uint32_t id);

/* @return a stack without frames for 0 and for an id that is not defined. */
struct trace_stack trace_stack(const struct trace *trace, uint32_t id);

/* @return the frame of an id below trace_frame_limit(). */
struct trace_frame trace_frame(const struct trace *trace, uint32_t id);

/*
 * Frame of an address at a time, for addresses that stand in events (start_routine).
 * @return the place in the module that was loaded there then; module 0 when there was none.
 */
struct trace_frame trace_frame_of_address(const struct trace *trace, uint64_t addr,
					  uint64_t time_ns);

/*
 * @return the string of an id, terminated (and it may hold further zeros); NULL for 0 and undefined
 * ids.
 */
const char *trace_string(const struct trace *trace, uint32_t id);
size_t trace_string_bytes(const struct trace *trace, uint32_t id);

/* @return the function that the trace itself names at this place, NULL when no range covers it. */
const struct trace_symbol *trace_symbol_at(const struct trace *trace, struct trace_frame frame);

/* All of them, sorted by module and offset. */
const struct trace_symbol *trace_symbols(const struct trace *trace, size_t *ret_count);

/* The model files, sorted by id. */
const struct trace_model *trace_models(const struct trace *trace, size_t *ret_count);

/* The tensors of all of them, sorted by model and offset. */
const struct trace_tensor *trace_tensors(const struct trace *trace, size_t *ret_count);

/* @return the name of a record's aux value ("malloc"), NULL when there is none. */
const char *trace_aux_name(const struct trace *trace, const struct lt_record *record);

#endif
