/* clock.h - what time it is */
#ifndef SHARED_BASE_CLOCK_H
#define SHARED_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds that only go forward; for waiting and measuring. */
uint64_t clock_mono_ms(void);
/* Microseconds of CPU this thread has used. */
uint64_t clock_thread_cpu_us(void);
/* Milliseconds since 1970 UTC; for what is stored and shown. */
int64_t clock_wall_ms(void);

enum { CLOCK_TEXT = 32 };
/* Writes 2026-03-01T09:12:44.031Z (XEP-0082) and returns text; text has CLOCK_TEXT bytes. */
char *clock_format(char *text, int64_t wall_ms);
/* Reads a DateTime of XEP-0082 (2.3): with seconds, any fraction of them (cut to milliseconds), and Z or an offset. False: it is none. */
bool clock_parse(int64_t *wall_ms, const char *text);

#endif
