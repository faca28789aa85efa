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

/* So many digits; -1: something else stands there. */
static int
read_digits(const char **text, int count)
{
        int number = 0;

        for (; count > 0; count--, ++*text) {
                if (**text < '0' || **text > '9')
                        return -1;
                number = number * 10 + (**text - '0');
        }
        return number;
}

/* The character `before` and then a number of two digits up to max. */
static bool
read_two(const char **text, char before, int max, int *number)
{
        if (**text != before)
                return false;
        ++*text;
        *number = read_digits(text, 2);
        return *number >= 0 && *number <= max;
}

static bool
read_fraction(const char **text, int *ms)
{
        int weight = 100;

        *ms = 0;
        if (**text != '.')
                return true;
        if ((*text)[1] < '0' || (*text)[1] > '9')
                return false;
        for (++*text; **text >= '0' && **text <= '9'; ++*text, weight /= 10)
                *ms += weight * (**text - '0');
        return true;
}

/* Seconds east of Greenwich, at most 14 hours. */
static bool
read_zone(const char **text, int *offset)
{
        int sign = **text == '-' ? -1 : 1, hours, minutes;

        *offset = 0;
        if (**text == 'Z') {
                ++*text;
                return true;
        }
        if (!read_two(text, sign < 0 ? '-' : '+', 14, &hours) || !read_two(text, ':', 59, &minutes))
                return false;
        *offset = sign * (hours * 60 + minutes) * 60;
        return hours < 14 || minutes == 0;
}

bool
clock_parse(int64_t *wall_ms, const char *text)
{
        int year = read_digits(&text, 4), ms, offset;
        struct tm tm = { 0 };

        if (year < 1 || !read_two(&text, '-', 12, &tm.tm_mon) || !read_two(&text, '-', 31, &tm.tm_mday) ||
                !read_two(&text, 'T', 23, &tm.tm_hour) || !read_two(&text, ':', 59, &tm.tm_min) ||
                !read_two(&text, ':', 59, &tm.tm_sec) || !read_fraction(&text, &ms) || !read_zone(&text, &offset) || *text != '\0')
                return false;
        tm.tm_year = year - 1900;
        tm.tm_mon--;
        struct tm asked = tm;
        time_t seconds = timegm(&tm);
        /* 31 February becomes March. */
        if (tm.tm_mon != asked.tm_mon || tm.tm_mday != asked.tm_mday)
                return false;
        *wall_ms = ((int64_t)seconds - offset) * 1000 + ms;
        return true;
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
