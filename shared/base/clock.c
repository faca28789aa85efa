/*
 * clock.c - what time it is
 */
#include "shared/base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t
read_us(clockid_t id)
{
        struct timespec now;
        clock_gettime(id, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_mono_ms(void)
{
        return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t
clock_thread_cpu_us(void)
{
        return read_us(CLOCK_THREAD_CPUTIME_ID);
}

int64_t
clock_wall_ms(void)
{
        return (int64_t)(read_us(CLOCK_REALTIME) / 1000);
}

char *
clock_format(char *text, int64_t wall_ms)
{
        time_t seconds = (time_t)(wall_ms / 1000);
        struct tm tm;
        char date[24];

        gmtime_r(&seconds, &tm);
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(text, CLOCK_TEXT, "%s.%03dZ", date, (int)(wall_ms % 1000));
        return text;
}
