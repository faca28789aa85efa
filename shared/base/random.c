/*
 * random.c - bytes nobody can guess, from the kernel through a small pool for each thread
 *
 * Ids are short and many; a system call for each would be most of their cost. Used bytes are wiped, the pool is not kept across fork
 * (the daemons do not fork).
 */
#include "shared/base/random.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <sys/random.h>

#include <errno.h>

enum { POOL = 512 };

static _Thread_local unsigned char pool[POOL];
static _Thread_local size_t left;

static void
ask_kernel(unsigned char *out, size_t len)
{
        while (len > 0) {
                ssize_t n = getrandom(out, len, 0);
                must(n > 0 || errno == EINTR);
                if (n > 0) {
                        out += n;
                        len -= (size_t)n;
                }
        }
}

void
random_bytes(void *out, size_t len)
{
        if (len > POOL / 4) {
                ask_kernel(out, len);
                return;
        }
        if (left < len) {
                ask_kernel(pool, POOL);
                left = POOL;
        }
        left -= len;
        memcpy(out, pool + left, len);
        mem_wipe(pool + left, len);
}

char *
random_hex(char *text, size_t bytes)
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < bytes; i++) {
                unsigned char byte;
                random_bytes(&byte, 1);
                text[2 * i] = digits[byte >> 4];
                text[2 * i + 1] = digits[byte & 15];
        }
        text[2 * bytes] = '\0';
        return text;
}

uint32_t
random_below(uint32_t below)
{
        must(below > 0);
        /* Numbers at or above the largest multiple of below are thrown away: the rest are even. */
        uint32_t limit = UINT32_MAX - UINT32_MAX % below, number;
        do
                random_bytes(&number, sizeof(number));
        while (number >= limit);
        return number % below;
}
