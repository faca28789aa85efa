/* text.h - small questions about bytes that should be text */
#ifndef SHARED_BASE_TEXT_H
#define SHARED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strict UTF-8 (RFC 3629): no surrogates, nothing above U+10FFFF, no longer form than needed. */
bool text_is_utf8(const char *bytes, size_t len);
/* Only characters that XML 1.0 allows (2.2), as UTF-8. */
bool text_is_xml(const char *bytes, size_t len);
/* ASCII only; other bytes must be equal. */
bool text_equal_nocase(const char *a, const char *b);
/* strcmp(a, b) == 0, where NULL equals only NULL. */
bool text_equal(const char *a, const char *b);
bool text_starts(const char *text, const char *start);
/* Decimal digits only, the whole text, at most max; -1 otherwise. */
int64_t text_number(const char *text, int64_t max);

/* Base64 (RFC 4648, 4) with padding. Encoding: out has text_base64_size(len) bytes with the terminator; returns out. */
size_t text_base64_size(size_t len);
char *text_base64(char *out, const void *bytes, size_t len);
/* Strict decoding: no white space, right padding, no stray bits. out has (text_len / 4) * 3 bytes; returns bytes written or -1. */
int64_t text_unbase64(void *out, const char *text, size_t text_len);
/* 2 * len digits and a terminator; returns out. */
char *text_hex(char *out, const void *bytes, size_t len);

/* Copies a text with its end to *at, which moves behind it; returns the copy. NULL stays NULL. For many texts in one block. */
char *text_place(char **at, const char *text);

#endif
