/*
 * frame.c - where one SIP message ends on a stream
 *
 * The head is scanned once, line by line. A fault that leaves the end of the head findable (a bare LF, a line that is too long, a wrong
 * Content-Length) is kept until the head is complete, because only then the sender can be answered; after that the stream is worth nothing.
 * libosip2 is not asked: it takes negative, hexadecimal and missing lengths and lets large ones wrap.
 */
#include "sipcomp/sip/frame.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { LENGTH_DIGITS = 6 };

static void
note_fault(struct sip_framer *framer, int status, const char *why)
{
        if (framer->why == NULL) {
                framer->status = status;
                framer->why = why;
        }
}

static enum sip_framing
give_up(struct sip_framer *framer, struct sip_frame *frame, const char *bytes, size_t len, size_t head_len)
{
        *frame = (struct sip_frame){ .used = len, .status = framer->status, .why = framer->why };
        if (framer->status != 0 && head_len > 0) {
                frame->head = bytes;
                frame->head_len = head_len;
        }
        *framer = (struct sip_framer){ 0 };
        return SIP_FRAME_BROKEN;
}

static bool
is_token_byte(unsigned char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                (c != '\0' && strchr("-.!%*_+`'~", c) != NULL);
}

/* Does the first line belong to SIP at all? HTTP and other protocols are not worth an answer. */
static bool
is_sip_line(const char *line, size_t len)
{
        for (size_t i = 0; i + 4 <= len; i++)
                if (strncasecmp(line + i, "SIP/", 4) == 0)
                        return true;
        return false;
}

/* The parties of a large conference make one long line; the answer to that is "no group chat", not "too large" (DIALECTS.md 7.9). */
static bool
lists_parties(const char *line)
{
        return strncasecmp(line, "EndPoints:", 10) == 0;
}

static enum sip_framing
skip_line_ends(const char *bytes, size_t len, struct sip_frame *frame)
{
        if (len >= 4 && memcmp(bytes, "\r\n\r\n", 4) == 0) {
                frame->used = 4;
                return SIP_FRAME_PING;
        }
        /* What is there may still become a ping. */
        if (memcmp("\r\n\r\n", bytes, len < 4 ? len : 4) == 0)
                return SIP_FRAME_MORE;
        frame->used = 2;
        return SIP_FRAME_EMPTY;
}

/* Finds the end of the head. 1: it is known, 0: more bytes are needed, -1: no use going on. */
static int
scan_head(struct sip_framer *framer, const char *bytes, size_t len)
{
        for (;;) {
                const char *end = memchr(bytes + framer->scanned, '\n', len - framer->scanned);
                if (end == NULL) {
                        framer->scanned = len;
                        if (len > SIP_HEAD_MAX) {
                                note_fault(framer, 513, "head too large");
                                return -1;
                        }
                        return 0;
                }
                const char *line = bytes + framer->line_start;
                size_t next = (size_t)(end - bytes) + 1, line_len = (size_t)(end - line);
                if (line_len > 0 && end[-1] == '\r')
                        line_len--;
                else
                        note_fault(framer, 400, "line end without CR");
                if (next > SIP_HEAD_MAX) {
                        note_fault(framer, 513, "head too large");
                        return -1;
                }
                if (line_len == 0) {
                        framer->head_len = next;
                        return 1;
                }
                if (framer->lines == 0 && !is_sip_line(line, line_len)) {
                        framer->why = "not SIP";
                        framer->status = 0;
                        return -1;
                }
                if (line_len > SIP_LINE_MAX && !lists_parties(line))
                        note_fault(framer, framer->lines == 0 ? 414 : 513, "line too long");
                framer->line_start = framer->scanned = next;
                if (++framer->lines > SIP_HEAD_LINES) {
                        note_fault(framer, 513, "too many lines");
                        return -1;
                }
        }
}

/* The value of this header line with its folded lines, if it is Content-Length or its compact form. */
static bool
is_length(const char *line, const char *end, const char **value)
{
        const char *colon = memchr(line, ':', (size_t)(end - line));
        if (colon == NULL)
                return false;
        const char *name_end = colon;
        while (name_end > line && (name_end[-1] == ' ' || name_end[-1] == '\t'))
                name_end--;
        size_t len = (size_t)(name_end - line);
        *value = colon + 1;
        return (len == 14 && strncasecmp(line, "Content-Length", 14) == 0) || (len == 1 && (*line == 'l' || *line == 'L'));
}

static void
read_length(struct sip_framer *framer, const char *value, const char *end)
{
        while (value < end && strchr(" \t\r\n", *value) != NULL && *value != '\0')
                value++;
        while (end > value && strchr(" \t\r\n", end[-1]) != NULL && end[-1] != '\0')
                end--;
        size_t length = 0;
        if (value == end)
                note_fault(framer, 400, "Content-Length is empty");
        for (const char *at = value; at < end; at++) {
                if (*at < '0' || *at > '9') {
                        note_fault(framer, 400, "Content-Length is no number");
                        return;
                }
                if (at - value < LENGTH_DIGITS)
                        length = length * 10 + (size_t)(*at - '0');
        }
        if (end - value > LENGTH_DIGITS || length > SIP_BODY_MAX)
                note_fault(framer, 413, "body too large");
        else
                framer->body_len = length;
}

static void
find_length(struct sip_framer *framer, const char *head)
{
        const char *end = head + framer->head_len, *line = memchr(head, '\n', framer->head_len);
        unsigned found = 0;

        for (line++; line < end;) {
                const char *stop = memchr(line, '\n', (size_t)(end - line)), *value;
                if (stop == NULL)
                        break;
                while (stop + 1 < end && (stop[1] == ' ' || stop[1] == '\t')) {
                        const char *folded = memchr(stop + 1, '\n', (size_t)(end - stop - 1));
                        if (folded == NULL)
                                break;
                        stop = folded;
                }
                if (is_length(line, stop, &value)) {
                        if (++found > 1)
                                note_fault(framer, 400, "Content-Length is there twice");
                        else
                                read_length(framer, value, stop);
                }
                line = stop + 1;
        }
        if (found == 0)
                note_fault(framer, 400, "no Content-Length");
}

enum sip_framing
sip_frame_next(struct sip_framer *framer, const char *bytes, size_t len, struct sip_frame *frame)
{
        *frame = (struct sip_frame){ 0 };
        if (len == 0)
                return SIP_FRAME_MORE;
        if (framer->scanned == 0) {
                if (bytes[0] == '\r' && (len < 2 || bytes[1] == '\n'))
                        return skip_line_ends(bytes, len, frame);
                if (!is_token_byte((unsigned char)bytes[0])) {
                        framer->why = "not SIP";
                        return give_up(framer, frame, bytes, len, 0);
                }
        }
        if (framer->head_len == 0) {
                int found = scan_head(framer, bytes, len);
                if (found < 0)
                        return give_up(framer, frame, bytes, len, framer->line_start);
                if (found == 0)
                        return SIP_FRAME_MORE;
                find_length(framer, bytes);
                if (framer->why != NULL)
                        return give_up(framer, frame, bytes, len, framer->head_len);
        }
        if (len - framer->head_len < framer->body_len)
                return SIP_FRAME_MORE;

        frame->head = bytes;
        frame->head_len = framer->head_len;
        frame->body = bytes + framer->head_len;
        frame->body_len = framer->body_len;
        frame->used = framer->head_len + framer->body_len;
        *framer = (struct sip_framer){ 0 };
        return SIP_FRAME_MESSAGE;
}
