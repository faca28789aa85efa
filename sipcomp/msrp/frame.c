/*
 * frame.c - MSRP framing: a message ends with a line of seven hyphens, its transaction identifier and a flag, and with nothing else
 */
#include "sipcomp/msrp/frame.h"

#include "shared/base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { START_LINE_MAX = 256, PATH_MAX_BYTES = 4096 };

#define HYPHENS "-------"

static enum msrp_framing
broken(struct msrp_frame *frame, const char *why)
{
        frame->why = why;
        return MSRP_FRAME_BROKEN;
}

/* ident (9): a letter or digit, then 3 to 31 of these. */
static bool
is_ident(const char *text, size_t len)
{
        if (len < MSRP_ID_MIN || len > MSRP_ID_MAX || !isalnum((unsigned char)text[0]))
                return false;
        for (size_t i = 0; i < len; i++)
                if (!isalnum((unsigned char)text[i]) && (text[i] == '\0' || strchr(".-+%=", text[i]) == NULL))
                        return false;
        return true;
}

/* "MSRP id SEND" or "MSRP id 200 OK"; false: it is neither. */
static bool
read_start(struct msrp_frame *frame, struct arena *arena, const char *line, size_t len)
{
        const char *id = line + 5, *blank = len > 5 ? memchr(id, ' ', len - 5) : NULL;
        if (blank == NULL || strncmp(line, "MSRP ", 5) != 0 || !is_ident(id, (size_t)(blank - id)))
                return false;
        frame->id = arena_strndup(arena, id, (size_t)(blank - id));
        const char *word = blank + 1;
        size_t rest = len - (size_t)(word - line), n = 0;
        if (rest >= 3 && isdigit((unsigned char)word[0]) && isdigit((unsigned char)word[1]) && isdigit((unsigned char)word[2]) &&
                (rest == 3 || word[3] == ' ')) {
                frame->status = (word[0] - '0') * 100 + (word[1] - '0') * 10 + (word[2] - '0');
                return frame->status >= 100;
        }
        while (n < rest && isupper((unsigned char)word[n]))
                n++;
        if (n == 0 || n != rest)
                return false;
        frame->method = arena_strndup(arena, word, n);
        return true;
}

static bool
read_number(const char **at, uint64_t *number)
{
        size_t digits = strspn(*at, "0123456789");
        *number = 0;
        if (digits == 0 || digits > 12)
                return false;
        for (size_t i = 0; i < digits; i++)
                *number = *number * 10 + (uint64_t)((*at)[i] - '0');
        *at += digits;
        return true;
}

/* start-end/total, where the last two may be "*". Where a chunk ends is said by its end line; the number is only looked at. */
static bool
read_range(struct msrp_frame *frame, const char *value)
{
        uint64_t end;
        if (!read_number(&value, &frame->start) || frame->start == 0 || *value++ != '-')
                return false;
        if (*value == '*')
                value++;
        else if (!read_number(&value, &end) || end + 1 < frame->start)
                return false;
        if (*value++ != '/')
                return false;
        if (*value == '*')
                return value[1] == '\0';
        return read_number(&value, &frame->total) && *value == '\0';
}

/* "000 200 OK" (7.1.2). */
static bool
read_status(struct msrp_frame *frame, const char *value)
{
        uint64_t status;
        if (strncmp(value, "000 ", 4) != 0)
                return true;
        value += 4;
        if (!read_number(&value, &status) || status < 100 || status > 999)
                return false;
        frame->report = (int)status;
        return true;
}

static bool
take_once(const char **where, const char *value)
{
        if (*where != NULL || value[0] == '\0')
                return false;
        *where = value;
        return true;
}

static bool
take_header(struct msrp_frame *frame, const char *name, const char *value)
{
        if (strcasecmp(name, "To-Path") == 0)
                return strlen(value) <= PATH_MAX_BYTES && frame->from_path == NULL && take_once(&frame->to_path, value);
        if (strcasecmp(name, "From-Path") == 0)
                return strlen(value) <= PATH_MAX_BYTES && frame->to_path != NULL && take_once(&frame->from_path, value);
        if (frame->from_path == NULL) /* 7.1: these two come first */
                return false;
        if (strcasecmp(name, "Message-ID") == 0)
                return is_ident(value, strlen(value)) && take_once(&frame->message_id, value);
        if (strcasecmp(name, "Content-Type") == 0)
                return take_once(&frame->content_type, value);
        if (strcasecmp(name, "Byte-Range") == 0)
                return read_range(frame, value);
        if (strcasecmp(name, "Status") == 0)
                return read_status(frame, value);
        if (strcasecmp(name, "Success-Report") == 0)
                frame->success_report = strcasecmp(value, "yes") == 0;
        else if (strcasecmp(name, "Failure-Report") == 0)
                frame->failure_report = strcasecmp(value, "no") == 0 ? MSRP_FAILURE_NO
                        : strcasecmp(value, "partial") == 0          ? MSRP_FAILURE_PARTIAL
                                                                     : MSRP_FAILURE_YES;
        return true;
}

/* One line; false where it is no header. */
static bool
read_line(struct msrp_frame *frame, struct arena *arena, const char *line, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
                        return false;
        const char *colon = memchr(line, ':', len);
        if (colon == NULL || colon == line)
                return false;
        const char *value = colon + 1, *end = line + len;
        while (value < end && *value == ' ')
                value++;
        while (end > value && end[-1] == ' ')
                end--;
        return take_header(
                frame, arena_strndup(arena, line, (size_t)(colon - line)), arena_strndup(arena, value, (size_t)(end - value)));
}

/* The lines between the start line and `end`, where the line end before the end line begins; then the body. */
static enum msrp_framing
read_inside(struct msrp_frame *frame, struct arena *arena, const char *bytes, size_t at, size_t end)
{
        for (size_t lines = 0; at < end; lines++) {
                const char *stop = memmem(bytes + at, end + 2 - at, "\r\n", 2);
                size_t len = (size_t)(stop - (bytes + at)); /* there is one: that of `end` */
                if (at + len > MSRP_HEAD_MAX || lines > MSRP_LINES_MAX)
                        return broken(frame, "headers too long");
                at += len + 2;
                if (len == 0) { /* an empty body may share its line end with the end line */
                        frame->body = bytes + at;
                        frame->body_len = at < end ? end - at : 0;
                        break;
                }
                if (!read_line(frame, arena, bytes + at - len - 2, len))
                        return broken(frame, "a header that cannot be read");
        }
        if (frame->body_len > MSRP_BODY_MAX)
                return broken(frame, "a chunk too long");
        return frame->from_path == NULL ? broken(frame, "no paths") : MSRP_FRAME_WHOLE;
}

/* Has the head gone on for longer than one may? Only asked while no end line has come. */
static bool
is_too_long(const char *bytes, size_t len)
{
        if (len > MSRP_HEAD_MAX + MSRP_BODY_MAX + 64)
                return true;
        return len > MSRP_HEAD_MAX && memmem(bytes, MSRP_HEAD_MAX, "\r\n\r\n", 4) == NULL;
}

enum msrp_framing
msrp_frame_next(struct msrp_framer *framer, struct arena *arena, const char *bytes, size_t len, struct msrp_frame *frame)
{
        char mark[2 + sizeof(HYPHENS) + MSRP_ID_MAX];

        *frame = (struct msrp_frame){ .start = 1 };
        if (memcmp(bytes, "MSRP ", len < 5 ? len : 5) != 0)
                return broken(frame, "not MSRP");
        const char *stop = memmem(bytes, len < START_LINE_MAX ? len : START_LINE_MAX, "\r\n", 2);
        if (stop == NULL)
                return len < START_LINE_MAX ? MSRP_FRAME_MORE : broken(frame, "a start line that does not end");
        size_t line = (size_t)(stop - bytes);
        if (!read_start(frame, arena, bytes, line))
                return broken(frame, "a start line that cannot be read");
        size_t mark_len = (size_t)snprintf(mark, sizeof(mark), "\r\n" HYPHENS "%s", frame->id);
        size_t from = framer->scanned > line ? framer->scanned : line;
        for (const char *found; from < len && (found = memmem(bytes + from, len - from, mark, mark_len)) != NULL;) {
                size_t at = (size_t)(found - bytes), behind = at + mark_len;
                if (len - behind < 3)
                        break;
                if (memchr("$+#", bytes[behind], 3) != NULL && memcmp(bytes + behind + 1, "\r\n", 2) == 0) {
                        framer->scanned = 0;
                        frame->flag = bytes[behind];
                        frame->used = behind + 3;
                        return read_inside(frame, arena, bytes, line + 2, at);
                }
                from = at + 1;
        }
        if (is_too_long(bytes, len))
                return broken(frame, "a message that does not end");
        framer->scanned = len > mark_len + 3 ? len - mark_len - 3 : 0;
        return MSRP_FRAME_MORE;
}

void
msrp_write_request(struct buf *out, const char *id, const char *method, const char *to_path, const char *from_path)
{
        buf_printf(out, "MSRP %s %s\r\nTo-Path: %s\r\nFrom-Path: %s\r\n", id, method, to_path, from_path);
}

void
msrp_write_response(struct buf *out, const char *id, int status, const char *to_path, const char *from_path)
{
        static const struct {
                int status;
                const char *comment;
        } rows[] = {
                { 200, "OK" },
                { 400, "Bad Request" },
                { 403, "Forbidden" },
                { 413, "Too Large" },
                { 415, "Unsupported Media Type" },
                { 481, "No Such Session" },
                { 501, "Not Implemented" },
                { 506, "Session In Use" },
        };
        const char *comment = "";
        for (size_t i = 0; i < array_len(rows); i++)
                if (rows[i].status == status)
                        comment = rows[i].comment;
        buf_printf(out, "MSRP %s %d%s%s\r\nTo-Path: %s\r\nFrom-Path: %s\r\n", id, status, comment[0] == '\0' ? "" : " ", comment,
                to_path, from_path);
        msrp_write_end(out, id, '$');
}

void
msrp_write_end(struct buf *out, const char *id, char flag)
{
        buf_printf(out, HYPHENS "%s%c\r\n", id, flag);
}
