/* random.h - bytes nobody can guess */
#ifndef SHARED_BASE_RANDOM_H
#define SHARED_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t len);
/* 2 * bytes lower-case hex digits and a terminator; returns text. 8 bytes for ids on the wire, 16 for what must never repeat. */
char *random_hex(char *text, size_t bytes);
/* 0 .. below - 1, evenly. below > 0. */
uint32_t random_below(uint32_t below);

#endif
