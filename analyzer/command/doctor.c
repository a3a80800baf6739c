/* SPDX-License-Identifier: MIT */
/* Running the checks and printing the answers; see doctor.h. */
#include "doctor.h"

#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llmtrace/version.h"
#include "say.h"

#define FORMAT 1
#define EXIT_NOT_SEEN 1

static const struct check {
	const char *id, *subject;
	void (*run)(struct doctor_answer *answer);
} checks[] = {
#define DOCTOR_CHECK(id, subject, function) {#id, subject, function},
#include "doctor_checks.def"
#undef DOCTOR_CHECK
};

#define CHECK_COUNT (sizeof(checks) / sizeof(checks[0]))

static const char *const state_names[] = {"ok", "note", "none", "partly", "no"};

void doctor_say(struct doctor_answer *answer, enum doctor_state state, const char *found, ...)
{
	va_list arguments;

	answer->state = state;
	va_start(arguments, found);
	vsnprintf(answer->found, sizeof(answer->found), found, arguments);
	va_end(arguments);
}

void doctor_remedy(struct doctor_answer *answer, const char *remedy, ...)
{
	va_list arguments;

	va_start(arguments, remedy);
	vsnprintf(answer->remedy, sizeof(answer->remedy), remedy, arguments);
	va_end(arguments);
}

bool doctor_read(const char *path, char *buffer, size_t bytes)
{
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(buffer, (int)bytes, file);

	if (is_read)
		buffer[strcspn(buffer, "\n")] = '\0';
	if (file)
		fclose(file);
	return is_read;
}

long doctor_status_number(const char *key)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long number = -1;

	while (file && number < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			number = strtol(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return number;
}

static void print_text(const struct doctor_answer *answers)
{
	unsigned counts[DOCTOR_NO + 1] = {0};

	for (size_t i = 0; i < CHECK_COUNT; i++) {
		const struct doctor_answer *answer = &answers[i];

		counts[answer->state]++;
		say(stdout, "%-7s %s: %s", state_names[answer->state], checks[i].subject,
		    answer->found);
		if (answer->remedy[0])
			say(stdout, "        do: %s", answer->remedy);
	}
	if (counts[DOCTOR_PARTLY] + counts[DOCTOR_NO])
		printf("\n%u of %zu cannot be seen, %u in part\n", counts[DOCTOR_NO], CHECK_COUNT,
		       counts[DOCTOR_PARTLY]);
	else
		puts("\nall that is here can be seen");
}

static void print_json(const struct doctor_answer *answers)
{
	json_t *root = json_object(), *list = json_array();

	for (size_t i = 0; i < CHECK_COUNT; i++) {
		json_t *remedy = answers[i].remedy[0] ? json_string(answers[i].remedy) : NULL;
		json_t *row = json_object();

		json_object_set_new(row, "id", json_string(checks[i].id));
		json_object_set_new(row, "subject", json_string(checks[i].subject));
		json_object_set_new(row, "state", json_string(state_names[answers[i].state]));
		json_object_set_new(row, "found", json_string(answers[i].found));
		json_object_set_new(row, "remedy", remedy ? remedy : json_null());
		json_array_append_new(list, row);
	}
	json_object_set_new(root, "format", json_integer(FORMAT));
	json_object_set_new(root, "version", json_string(LLMTRACE_VERSION));
	json_object_set_new(root, "checks", list);
	json_dumpf(root, stdout, JSON_ENSURE_ASCII | JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
}

static void print_help(void)
{
	puts("usage: llmtrace doctor [--json]\n"
	     "Tries what llmtrace needs on this machine, and says what can be seen, what cannot, "
	     "and the remedy.\n"
	     "Exit code: 0 all that is here can be seen, 1 something cannot, 2 wrong use.");
}

int doctor_run(int argc, char **argv)
{
	static const struct option known[] = {{"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	static struct doctor_answer answers[CHECK_COUNT];
	bool is_json = false;
	int option, worst = DOCTOR_OK;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		if (option == 'h') {
			print_help();
			return 0;
		}
		if (option != 'j')
			return refuse_option(option, argv);
		is_json = true;
	}
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is an answer, not an end */
	if (optind != argc)
		return refuse("doctor takes no argument %s (see llmtrace doctor --help)",
			      argv[optind]);
	for (size_t i = 0; i < CHECK_COUNT; i++) {
		checks[i].run(&answers[i]);
		worst = (int)answers[i].state > worst ? (int)answers[i].state : worst;
	}
	if (is_json)
		print_json(answers);
	else
		print_text(answers);
	return worst >= DOCTOR_PARTLY ? EXIT_NOT_SEEN : 0;
}
