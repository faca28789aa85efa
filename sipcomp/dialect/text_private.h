/* text_private.h - the steps of the reduction, one file each */
#ifndef SIPCOMP_DIALECT_TEXT_PRIVATE_H
#define SIPCOMP_DIALECT_TEXT_PRIVATE_H

#include "sipcomp/dialect/text.h"

/* Copies the value of a header parameter, unquoted; false if it is absent or does not fit into size bytes. */
bool mime_parameter(const char *value, const char *name, char *out, size_t size);
/* Takes a multipart apart and reduces the part that says most in plain text; level 1 for the outermost. */
enum text_verdict multipart_reduce(struct buf *out, const char *type, const char *bytes, size_t len, int level);
/* message/cpim (RFC 3862): the inner part only. */
enum text_verdict cpim_reduce(struct buf *out, const char *bytes, size_t len, int level);
/* One part that may itself be a multipart. */
enum text_verdict part_reduce(struct buf *out, const char *type, const char *bytes, size_t len, int level);

/* Bytes in a charset (NULL or "": UTF-8) to UTF-8. False if they are not that. */
bool charset_convert(struct buf *out, const char *charset, const char *bytes, size_t len);
/* UTF-8 for one code point; those XML 1.0 forbids become U+FFFD. */
void put_character(struct buf *out, unsigned long code);

/* From UTF-8 HTML; from RTF bytes. */
void html_reduce(struct buf *out, const char *html, size_t len);
void rtf_reduce(struct buf *out, const char *rtf, size_t len);

#endif
