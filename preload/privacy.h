/* SPDX-License-Identifier: MIT */
/*
 * What the trace may say of its user: LLMTRACE_PRIVACY. Set up once at start; after that any thread
 * and signal handlers. With the option off texts stay as they are. Rules: llmtrace/privacy.h.
 */
#ifndef LLMTRACE_SHIM_PRIVACY_H
#define LLMTRACE_SHIM_PRIVACY_H

#include <stddef.h>
#include <stdint.h>

/* Learns the user's names from the environment, /etc/passwd and the home folder. Start-up only. */
void privacy_init(char **envp);

/* Copies a path as the trace may have it, terminated. @return its length. */
size_t privacy_path(const char *path, size_t length, char *buffer, size_t bytes);

/* The same for a command line with zeros between its arguments. */
size_t privacy_command(const char *command, size_t length, char *buffer, size_t bytes);

/*
 * @return the id of a path in the intern table, as the trace may have it; 0 for NULL and when there
 * is no room. So a ring that outlives the process holds no more than the trace does.
 */
uint32_t privacy_intern(const char *path);
uint32_t privacy_intern_bytes(const char *path, size_t length);

#endif
