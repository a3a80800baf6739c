/* SPDX-License-Identifier: MIT */
/* The variables of one recording; see session.h. Start-up, and a forked child before it has
 * threads. */
#include "session.h"

#include <stddef.h>
#include <string.h>

#include "sys.h"

/* The linker names both ends of a section whose name is one of C. */
extern char __start_lt_session_bss[] __attribute__((visibility("hidden")));
extern char __stop_lt_session_bss[] __attribute__((visibility("hidden")));
extern char __start_lt_session_data[] __attribute__((visibility("hidden")));
extern char __stop_lt_session_data[] __attribute__((visibility("hidden")));

static char *first_values;

static size_t data_bytes(void)
{
	return (size_t)(__stop_lt_session_data - __start_lt_session_data);
}

bool session_init(void)
{
	first_values = sys_memory(data_bytes());
	if (first_values)
		memcpy(first_values, __start_lt_session_data, data_bytes());
	return first_values;
}

void session_restart(void)
{
	memset(__start_lt_session_bss, 0, (size_t)(__stop_lt_session_bss - __start_lt_session_bss));
	memcpy(__start_lt_session_data, first_values, data_bytes());
}
