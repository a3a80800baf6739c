/* SPDX-License-Identifier: MIT */
/*
 * The writer: the one thread of the shim. It drains all rings, writes the trace file, samples
 * /proc, and closes the trace. It is started once, has every signal blocked, and its own calls pass
 * through all hooks.
 *
 * The functions here are called by target threads, outside a hook's enter and leave.
 */
#ifndef LLMTRACE_WRITER_H
#define LLMTRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes the writer's own ring and buffers, and writes header and event table. Start-up only.
 * @return false without memory.
 */
bool writer_prepare(void);

/* The name of the thread. */
#define WRITER_NAME "llmtrace-writer"

/*
 * Starts the thread. is_forked: in the child of a fork, where another thread of the parent may have
 * held a lock of the loader for ever. @return false when it could not be made: recording must stay
 * off.
 */
bool writer_start(bool is_forked);

/*
 * Has everything that is recorded so far written to the trace, and waits for it (at most about two
 * seconds without progress). For abort: recording goes on afterwards.
 */
void writer_flush(void);

/*
 * The same before exec, and ends the file in order, for the new program will not. When exec fails,
 * writer_after_exec lets the file go on behind that end.
 */
void writer_before_exec(void);
void writer_after_exec(void);

/*
 * Writes everything, ends the trace file in order and removes the rings. Later events are not
 * recorded. The second and later calls wait for the first; calls in a forked child do nothing.
 * status: the exit code.
 */
void writer_close(int status);

/* Where another thread closes the trace, waits for it: the end of the process would cut it short. */
void writer_wait_for_close(void);

/*
 * A thread of the shim: function and argument as for pthread_create, stack_bytes 0 for the usual
 * size. Call with all signals blocked and inside hook_own_begin.
 */
bool writer_make_thread(void *(*main_function)(void *), void *argument, size_t stack_bytes);

/*
 * Takes the calling thread's table of descriptors and its root away from what the target shares.
 * @return false when the kernel refuses.
 */
bool writer_leave_shared_state(void);

/* The threads of the shim: they are no threads of the target. Any thread. */
bool writer_is_own_thread(int tid);
unsigned writer_own_thread_count(void);

/* Asks for a sample of the process's totals, soon; does not wait. One system call at most. */
void writer_want_sample(void);

#endif
