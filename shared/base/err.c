/*
 * err.c - sentences about what the world did
 */
#include "shared/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, const char *format, ...)
{
        if (err == NULL)
                return -1;
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        return -1;
}

int
err_prefix(struct err *err, const char *format, ...)
{
        if (err == NULL)
                return -1;
        struct err whole;
        va_list args;
        va_start(args, format);
        int n = vsnprintf(whole.text, sizeof(whole.text), format, args);
        va_end(args);
        if (n >= 0 && (size_t)n < sizeof(whole.text))
                snprintf(whole.text + n, sizeof(whole.text) - (size_t)n, "%s", err->text);
        *err = whole;
        return -1;
}
