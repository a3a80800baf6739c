/* SPDX-License-Identifier: MIT */
/*
 * The analyses that exist, for the registry in analysis.c. Each lives in the file of its name
 * (findings in findings.c).
 */
#ifndef LLMTRACE_ANALYZE_H
#define LLMTRACE_ANALYZE_H

#include "analysis.h"

extern const struct analysis analyze_run, analyze_phases, analyze_tokens, analyze_maps,
	analyze_faults_by_stack, analyze_faults_by_tensor, analyze_faults_by_layer,
	analyze_faults_over_time, analyze_heap_by_stack,
	analyze_heap_sizes, analyze_heap_over_time, analyze_io_by_file, analyze_io_by_stack,
	analyze_io_sizes, analyze_io_slowest, analyze_threads, analyze_children,
	analyze_models, analyze_model_tensors, analyze_coverage, analyze_findings;

#endif
