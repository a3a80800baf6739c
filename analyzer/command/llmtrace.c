/* SPDX-License-Identifier: MIT */
/*
 * llmtrace: the command in front of the shim. `run` sets the variables and becomes the traced
 * program, so that nothing of ours stands between a shell and its child: exit code, signals,
 * terminal and pid are the program's own.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "doctor.h"
#include "llmtrace/pool.h"
#include "llmtrace/version.h"
#include "say.h"
#include "shim.h"
#include "target.h"

static int usage_error(const char *what, const char *detail)
{
	return refuse("%s%s (see llmtrace --help)", what, detail);
}

static void print_help(void)
{
	printf("usage: llmtrace run [options] [--] COMMAND [ARGUMENT...]\n"
	       "       llmtrace doctor [--json]     what can be seen on this machine\n\n"
	       "Runs COMMAND and records its heap, mappings, threads, file reads and engine "
	       "phases.\n"
	       "Read the trace with llmtrace-report.\n"
	       "       llmtrace ctl PID start|stop|mark NAME\n"
	       "Switches recording of a running process off and on; a mark begins a phase that "
	       "lasts until the next mark (- ends it).\n\n"
	       "  -o, --output FILE   trace file (LLMTRACE_OUTPUT)\n"
	       "  -e, --events LIST   groups to record (LLMTRACE_EVENTS)\n"
	       "  -s, --stacks N      frames of a call stack (LLMTRACE_STACKS)\n"
	       "  -f, --follow MODE   programs that COMMAND starts (LLMTRACE_FOLLOW)\n"
	       "  -h, --help          this text\n"
	       "      --version       the version\n\n"
	       "Variables, for use with LD_PRELOAD=%s alone:\n",
	       "libllmtrace.so");
#define LT_OPTION(field, variable, value, help)                                                    \
	printf("  %-16s %s\n  %-16s default: %s\n", variable, help, "", value[0] ? value : "none");
#include "llmtrace/options.def"
#undef LT_OPTION
}

static int set_preload(void)
{
	const char *before = getenv("LD_PRELOAD");
	char shim[PATH_MAX], *value;

	if (!shim_find(shim, sizeof(shim)))
		return usage_error(
			"libllmtrace.so is neither beside this program nor in ../lib/llmtrace", "");
	if (strpbrk(shim, " :"))
		return usage_error("LD_PRELOAD cannot hold a path with a blank or a colon: move "
				   "llmtrace away from ",
				   shim);
	if (asprintf(&value, "%s%s%s", shim, before && *before ? ":" : "", before ? before : "") <
	    0)
		return usage_error("no memory", "");
	setenv("LD_PRELOAD", value, 1);
	free(value);
	return 0;
}

/* ---- run ---- */
static const struct option run_options[] = {
	{"output", required_argument, NULL, 'o'}, {"events", required_argument, NULL, 'e'},
	{"stacks", required_argument, NULL, 's'}, {"follow", required_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
};

static const char *variable_of(int option)
{
	switch (option) {
	case 'o':
		return "LLMTRACE_OUTPUT";
	case 'e':
		return "LLMTRACE_EVENTS";
	case 's':
		return "LLMTRACE_STACKS";
	case 'f':
		return "LLMTRACE_FOLLOW";
	default:
		return NULL;
	}
}

static int become(char **command)
{
	char problem[1024];
	int error = set_preload();

	if (error)
		return error;
	switch (target_look(command[0], problem, sizeof(problem))) {
	case TARGET_REFUSED:
		return refuse("cannot trace %s: %s", command[0], problem);
	case TARGET_PARTLY:
		refuse("%s: %s", command[0], problem);
		break;
	case TARGET_TRACED:
		break;
	}
	execvp(command[0], command);
	error = errno;
	refuse("cannot run %s: %s", command[0], strerror(error));
	return error == ENOENT ? 127 : 126;
}

/* The shim takes the nearest depth that it has, and nobody would know. */
static bool is_depth(const char *text)
{
	char *end;
	unsigned long depth = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && depth <= LT_STACK_MAX_DEPTH;
}

static int run(int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:o:e:s:f:h", run_options, NULL)) != -1) {
		const char *variable = variable_of(option);

		if (option == 'h') {
			print_help();
			return 0;
		}
		if (!variable)
			return refuse_option(option, argv);
		if (option == 's' && !is_depth(optarg))
			return refuse("-s %s: a call stack has 0 to %u frames", optarg,
				      LT_STACK_MAX_DEPTH);
		setenv(variable, optarg, 1);
	}
	if (optind == argc)
		return usage_error("run needs a command", "");
	return become(argv + optind);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "run"))
		return run(argc - 1, argv + 1);
	if (!strcmp(verb, "ctl"))
		return ctl(argc - 1, argv + 1);
	if (!strcmp(verb, "doctor"))
		return doctor_run(argc - 1, argv + 1);
	if (!strcmp(verb, "--version")) {
		printf("llmtrace %s\n", LLMTRACE_VERSION);
		return 0;
	}
	if (!strcmp(verb, "--help") || !strcmp(verb, "-h") || !strcmp(verb, "help")) {
		print_help();
		return 0;
	}
	if (!strcmp(verb, "attach"))
		return usage_error("this version has no command ", verb);
	return *verb ? usage_error("unknown command ", verb)
		     : usage_error("a command is missing: llmtrace run COMMAND", "");
}
