/* frame.h - where one SIP message ends on a stream (RFC 3261 18.3) and where trust in the stream ends; pure, no allocation */
#ifndef SIPCOMP_SIP_FRAME_H
#define SIPCOMP_SIP_FRAME_H

#include <stddef.h>

enum {
        SIP_HEAD_MAX = 64 * 1024, /* start line, headers and the empty line */
        SIP_LINE_MAX = 16 * 1024, /* one line of the head, folded lines counted singly */
        SIP_HEAD_LINES = 256,
        SIP_BODY_MAX = 256 * 1024,
};

enum sip_framing {
        SIP_FRAME_MORE,    /* nothing complete yet: keep the bytes and call again with more behind them */
        SIP_FRAME_EMPTY,   /* a line end between messages: skip `used` bytes */
        SIP_FRAME_PING,    /* CRLF CRLF between messages: skip `used` bytes, answer CRLF (RFC 5626 4.4.1) */
        SIP_FRAME_MESSAGE, /* head and body are complete */
        SIP_FRAME_BROKEN,  /* nothing behind this point can be trusted: answer `status` if the head can be read, then close */
};

/* One found piece; pointers lead into the caller's bytes. */
struct sip_frame {
        size_t used;      /* bytes to take from the front */
        const char *head; /* with its empty line, when there is one; NULL in a broken frame whose head tells nothing */
        size_t head_len;
        const char *body;
        size_t body_len;
        int status;      /* BROKEN: 400, 413, 414 or 513; 0: close without a word (these bytes are not SIP) */
        const char *why; /* BROKEN: a few words for the log */
};

/* What is known about the bytes at the front; zero-initialised at the start and after each frame (sip_frame_next does the latter). */
struct sip_framer {
        size_t scanned, line_start, lines, head_len, body_len;
        int status; /* the first thing found wrong; reported once the head is complete, so that it can be answered */
        const char *why;
};

/* Looks at the untaken bytes of a connection. Between calls bytes may only be added behind; after an answer other than MORE the caller
 * takes `used` bytes. Cost is linear in the bytes that are new. */
enum sip_framing sip_frame_next(struct sip_framer *framer, const char *bytes, size_t len, struct sip_frame *frame);

#endif
