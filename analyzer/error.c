/* SPDX-License-Identifier: MIT */
/* Formatting of errors; see error.h. Calls nothing but vsnprintf. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *error, int exit_code, const char *format, ...)
{
	va_list arguments;

	error->exit_code = exit_code;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return exit_code;
}
