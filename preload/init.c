/* SPDX-License-Identifier: MIT */
/*
 * Start of recording. The constructor runs before those of all other libraries (-z initfirst) and
 * reads top-down: resolve, decide, open the trace, set up, switch on. When something is missing the
 * target goes on untraced, after one line.
 */
#include "init.h"

#include <errno.h>
#include <stdlib.h>

#include "children.h"
#include "clock.h"
#include "control.h"
#include "definitions.h"
#include "facts.h"
#include "follow.h"
#include "hook.h"
#include "hook_threads.h"
#include "identity.h"
#include "intern.h"
#include "loader_trust.h"
#include "modules.h"
#include "options.h"
#include "pool.h"
#include "pool_sweep.h"
#include "privacy.h"
#include "proc_samples.h"
#include "real.h"
#include "module_symbols.h"
#include "process_fork.h"
#include "session.h"
#include "sys.h"
#include "text.h"
#include "trace_file.h"
#include "writer.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

int init_pid;

static struct hook_switch *page; /* hook_switch from the start on */

/*
 * The switch lies in a page that forked children find zeroed: they are off before their first
 * instruction.
 */
static struct hook_switch *make_switch(void)
{
	struct hook_switch *made = sys_memory(4096);

	if (!made || sys_madvise(made, 4096, MADV_WIPEONFORK) < 0)
		return NULL;
	return made;
}

static const char *set_up(void)
{
	const struct options *options = options_get();
	const char *name;
	int error = trace_file_open(options->output, &name);

	if (error == -EEXIST) {
		options_say("%s is there and is no trace, which alone is moved away: not recording; "
			    "set LLMTRACE_OUTPUT to another name",
			    name, "");
		return "";
	}
	if (error) {
		char number[16];

		text_format(number, sizeof(number), "%u", (uint64_t)-error);
		options_say("cannot write %s (errno %s): not recording; set LLMTRACE_OUTPUT to a "
			    "place that can be written",
			    name, number);
		return "";
	}
	if (!pool_init(trace_file_path())) {
		trace_file_remove();
		return "no memory for the rings: not recording";
	}
	pool_header->groups = options->groups;
	if (writer_prepare() && intern_make_room())
		return NULL;
	trace_file_remove();
	pool_remove();
	return "the trace cannot be written, or there is no memory: not recording";
}

static void record_start(bool is_forked)
{
	control_note_start();
	facts_add();
	if (is_forked)
		facts_add_forked(identity_get()->parent_pid);
	facts_add_recording();
	proc_sample_maps(LT_seen_at_start);
	proc_sample_fds(LT_seen_at_start);
	proc_sample_process(LT_seen_at_start);
	/* whoever reads the rings of a process that dies at once needs the modules from the file */
	definitions_modules();
	trace_file_write_definitions(0);
}

/*
 * Registered before the loader registers its own end, so it runs after every destructor; the status
 * is that of exit.
 */
static void at_exit(int status, void *argument)
{
	struct hook_scope scope;

	(void)argument;
	if (hook_enter(&scope, LT_GROUP_system, HOOK_CALLER())) {
		HOOK_EMIT(&scope, process_call, LT_process_call_exit, clock_after(), 0,
			  event->result = status;
			  event->duration_ns = 0; event->path = 0; event->reserved = 0);
		hook_leave(&scope);
	}
	writer_close(status & 0xff);
}

static const char *prepare(void)
{
	page = make_switch();
	if (!page)
		return "the kernel has no MADV_WIPEONFORK (Linux 4.14): not recording";
	if (!session_init())
		return "no memory: not recording";
	return NULL;
}

/* @return NULL, or what is wrong: "" when it was said already. */
static const char *record(bool is_forked)
{
	const char *problem = set_up();

	if (problem)
		return problem;
	record_start(is_forked);
	if (!writer_start(is_forked)) {
		trace_file_remove();
		trace_file_close();
		pool_remove();
		pool_leave();
		return "no thread for the writer: not recording";
	}
	if (follow_has_traced_parent())
		children_tell(LT_child_state_started, 0, trace_file_path());
	if (is_forked)
		loader_wait();
	__atomic_store_n(&page->groups, control_first_groups(), __ATOMIC_RELEASE);
	return NULL;
}

static void complain(const char *problem)
{
	if (problem && problem[0])
		options_say("%s%s", problem, "");
}

static void start(char **envp)
{
	const char *problem;

	options_init(envp);
	identity_init();
	init_pid = identity_get()->pid;
	clock_init();
	if (!follow_wants_this())
		return;
	if (options_get()->mistake)
		options_say("%s has a value that is not understood: using its default%s",
			    options_get()->mistake, "");
	privacy_init(envp);
	problem = prepare();
	if (!problem) {
		stack_init(options_get()->stack_depth);
		modules_refresh();
		threads_init();
		if (!follow_has_traced_parent())
			pool_sweep();
		problem = record(false);
	}
	if (problem) {
		complain(problem);
		return;
	}
	on_exit(at_exit, NULL);
	process_fork_init();
	control_install_signal();
	hook_switch = page;
}

void init_forked_child(void)
{
	session_restart();
	identity_init();
	init_pid = identity_get()->pid;
	loader_distrust();
	complain(record(true));
}

__attribute__((constructor)) static void init(int argc, char **argv, char **envp)
{
	struct hook_scope *outer = hook_own_begin();

	(void)argc;
	(void)argv;
	real_resolve();
	symbols_init();
	start(envp);
	hook_own_end(outer);
}
