/* SPDX-License-Identifier: MIT */
/* llmtrace ctl: talks to the writer of a running process through its control page. */
#ifndef LLMTRACE_COMMAND_CTL_H
#define LLMTRACE_COMMAND_CTL_H

/*
 * argv[0] is "ctl". Prints one line. @return 0, or 2 when it was not done: wrong use, no such
 * process, one that is not traced or may not be reached, no answer.
 */
int ctl(int argc, char **argv);

#endif
