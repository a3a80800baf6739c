/* SPDX-License-Identifier: MIT */
/*
 * Findings about threads: threads made and ended for each token, more busy threads than CPUs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "findings.h"
#include "report_alloc.h"
#include "units.h"

#define TOKENS_MIN 8u
#define CHURN_PER_TOKEN 0.5
#define BUSY_SHARE 5u		/* a busy thread uses a fifth of a CPU while it lives */
#define BUSY_MIN_NS 50000000u

static void thread_churn(struct findings *findings)
{
	size_t row = findings_row_of(findings, "tokens", "metric", "thread_create_count");
	uint64_t tokens = phase_rows_tokens(findings->context->phases,
					    findings->context->phase_count, PHASE_GENERATION);
	double per_token;

	if (tokens < TOKENS_MIN ||
	    !findings_number(findings, "tokens", row, "per_generated_token", &per_token) ||
	    per_token < CHURN_PER_TOKEN)
		return;
	findings_add(findings,
		     &(struct finding_text){ .id = "threads_per_token",
					     .phase = "generation",
					     .severity = per_token >= 4 ? SEVERITY_HIGH
									: SEVERITY_MEDIUM,
					     .advice = "the engine makes its compute threads anew "
						       "for each decode: attach a thread "
						       "pool (llama_attach_threadpool), or build "
						       "ggml with OpenMP (GGML_OPENMP=ON)",
					     .table = "tokens",
					     .row = row },
		     "%.0f threads were created for %" PRIu64 " tokens (%.2g for each)",
		     per_token * (double)tokens, tokens, per_token);
}

struct edge {
	uint64_t time_ns;
	int change;		/* +1: a busy thread begins; -1: it ends */
};

/* At the same time ends come first: threads made anew for each token do not overlap. */
static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->change - y->change;
}

static bool is_busy(const struct thread *thread, uint64_t end_ns)
{
	uint64_t life_ns = (thread->end_ns ? thread->end_ns : end_ns) - thread->start_ns;

	return (thread->is_exit_seen || thread->is_sampled) && !thread->is_absorbed &&
	       thread->cpu_ns >= BUSY_MIN_NS && thread->cpu_ns >= life_ns / BUSY_SHARE;
}

static unsigned most_busy_at_once(const struct findings *findings)
{
	const struct thread_model *threads = &findings->context->model->threads;
	struct edge *edges = report_alloc(threads->count * 2, sizeof(*edges));
	uint64_t end_ns = findings->context->end_ns;
	size_t count = 0;
	int now = 0, most = 0;

	for (size_t i = 0; i < threads->count; i++) {
		const struct thread *thread = &threads->threads[i];

		if (!is_busy(thread, end_ns))
			continue;
		edges[count++] = (struct edge){ thread->start_ns, 1 };
		edges[count++] = (struct edge){ thread->end_ns ? thread->end_ns : end_ns, -1 };
	}
	qsort(edges, count, sizeof(*edges), compare_edges);
	for (size_t i = 0; i < count; i++) {
		now += edges[i].change;
		most = now > most ? now : most;
	}
	free(edges);
	return (unsigned)most;
}

static uint64_t busy_wait_ns(const struct findings *findings)
{
	const struct thread_model *threads = &findings->context->model->threads;
	uint64_t sum_ns = 0;

	for (size_t i = 0; i < threads->count; i++)
		if (is_busy(&threads->threads[i], findings->context->end_ns))
			sum_ns += threads->threads[i].run_wait_ns;
	return sum_ns;
}

static void too_many_threads(struct findings *findings)
{
	const char *meta = trace_meta(findings->context->trace, "cpu_count");
	unsigned cpu_count = meta ? (unsigned)strtoul(meta, NULL, 10) : 0;
	unsigned busy = cpu_count ? most_busy_at_once(findings) : 0;
	uint64_t wait_ns = busy > cpu_count ? busy_wait_ns(findings) : 0;
	char advice[256], waited[UNITS_BYTES] = "";

	if (busy <= cpu_count)
		return;
	if (wait_ns)
		units_ns(waited, (double)wait_ns);
	snprintf(advice, sizeof(advice), "no more compute threads than CPUs: %s with N = %u",
		 engine_flag(&findings->engine, ENGINE_FLAG_THREADS), cpu_count);
	findings_add(findings, &(struct finding_text){
		.id = "too_many_threads", .severity = SEVERITY_MEDIUM, .advice = advice,
		.table = "threads", .row = 0 },
		"%u threads computed at the same time on %u CPUs%s%s", busy, cpu_count,
		waited[0] ? "; time that they waited for a CPU: " : "", waited);
}

void findings_of_threads(struct findings *findings)
{
	thread_churn(findings);
	too_many_threads(findings);
}
