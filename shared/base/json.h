/* json.h - JSON (RFC 8259): written into a buf, read into an arena */
#ifndef SHARED_BASE_JSON_H
#define SHARED_BASE_JSON_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writing: a plain value, `struct json_writer json = { .out = &buf };`. key is NULL inside arrays and at the top. Text must be UTF-8; what is not
 * comes out as U+FFFD. */
struct json_writer {
        struct buf *out;
        bool is_behind_value; /* a comma is due before the next one */
};
void json_open_object(struct json_writer *json, const char *key);
void json_close_object(struct json_writer *json);
void json_open_array(struct json_writer *json, const char *key);
void json_close_array(struct json_writer *json);
void json_put_text(struct json_writer *json, const char *key, const char *text); /* NULL gives null */
void json_put_number(struct json_writer *json, const char *key, int64_t number);
void json_put_bool(struct json_writer *json, const char *key, bool truth);

/* Reading. */
enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };
struct json {
        struct json *next, *first; /* the next one in the same array or object; the first one inside */
        const char *key;           /* in objects */
        enum json_kind kind;
        const char *text; /* of texts; of numbers as they were written */
        int64_t number;   /* of whole numbers that fit; 0 otherwise */
};

/* One value with nothing behind it but white space; NULL with "at byte 17: ...". At most 64 levels deep. A text with U+0000 inside is refused. */
struct json *json_parse(struct arena *arena, const char *text, size_t len, struct err *err);
/* The member of an object, or NULL. */
const struct json *json_member(const struct json *object, const char *key);
/* The member's text; NULL where it is absent or no text. */
const char *json_member_text(const struct json *object, const char *key);
/* The member's number; otherwise (absent, no whole number) the value given. */
int64_t json_member_number(const struct json *object, const char *key, int64_t otherwise);

#endif
