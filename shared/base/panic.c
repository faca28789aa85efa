/*
 * panic.c - the last line a faulty process writes
 */
#include "shared/base/panic.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void
panic(const char *file, int line, const char *what)
{
        fprintf(stderr, "%s:%d: must hold, but does not: %s\n", file, line, what);
        abort();
}
