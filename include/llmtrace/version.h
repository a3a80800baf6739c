/* SPDX-License-Identifier: MIT */
/* The version of llmtrace: one place for shim, report, traces and CHANGELOG.md. */
#ifndef LLMTRACE_VERSION_H
#define LLMTRACE_VERSION_H

#define LLMTRACE_VERSION "0.1.0"

#endif
