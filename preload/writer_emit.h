/* SPDX-License-Identifier: MIT */
/*
 * Events of the writer's own stream: WRITER_EMIT(ring, event name, aux, assignments to *event).
 * Never waits.
 */
#ifndef LLMTRACE_WRITER_EMIT_H
#define LLMTRACE_WRITER_EMIT_H

#include "clock.h"
#include "ring.h"

/* Makes room in the writer's own ring, which nobody else drains. */
void writer_drain_own(void);

/*
 * For long work in the writer thread: drains what has filled meanwhile. Not while a row of
 * definitions is being built.
 */
void writer_keep_up(void);

#define WRITER_EMIT(ring, name, aux, ...)                                                          \
	do {                                                                                       \
		struct lt_ev_##name *event;                                                        \
                                                                                                   \
		if ((ring)->head - (ring)->tail > LT_RING_SLOTS / 2)                               \
			writer_drain_own();                                                        \
		event = ring_reserve(ring, LT_SLOTS(name), true);                                  \
		if (event) {                                                                       \
			uint8_t writer_lap_ = LT_STATE_LAP(event->head.state);                     \
			event->head.time = clock_after();                                          \
			event->head.stack = 0;                                                     \
			__VA_ARGS__;                                                               \
			ring_commit(&event->head,                                                  \
				    LT_STATE(LT_KIND_##name, LT_SLOTS(name), aux, writer_lap_));   \
		}                                                                                  \
	} while (0)

#endif
