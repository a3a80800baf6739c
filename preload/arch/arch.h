/* SPDX-License-Identifier: MIT */
/*
 * What the shim needs of a processor. One folder beside this file for each machine; the build adds the
 * right one to the include path. A port supplies arch_impl.h and the two assembly files:
 *
 *   arch_ticks()        the time stamp counter, not ordered with later loads: for releases
 *   arch_ticks_after()  the same, ordered after all earlier loads: for acquires
 *   arch_has_steady_ticks()  whether the counter runs at one rate, in all states, on all CPUs
 *   arch_local_add()    adds to a word of this thread and returns the old value, in one instruction:
 *                       atomic against signal handlers of the thread, not against other threads
 *   arch_jump_target()  the stack pointer that longjmp will set from a jmp_buf
 *   arch_pause()        hint inside spin loops
 *   ARCH_ELF_MACHINE    e_machine
 *   boot.S              lt_boot_<name>: resolves all real functions, then jumps to real_<name>
 *   thunk.S             entry points that see call and return without knowing the prototype
 */
#ifndef LLMTRACE_ARCH_H
#define LLMTRACE_ARCH_H

#include "arch_frames.h"
#include "arch_impl.h"

#endif
