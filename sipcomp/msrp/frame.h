/* frame.h - one MSRP request or response on a stream (RFC 4975 7, 9): where it ends and what it says */
#ifndef SIPCOMP_MSRP_FRAME_H
#define SIPCOMP_MSRP_FRAME_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MSRP_HEAD_MAX = 8 * 1024, MSRP_BODY_MAX = 256 * 1024, MSRP_LINES_MAX = 64, MSRP_ID_MIN = 4, MSRP_ID_MAX = 32 };

enum msrp_framing {
        MSRP_FRAME_MORE,   /* nothing complete yet: keep the bytes and call again with more behind them */
        MSRP_FRAME_WHOLE,  /* take `used` bytes */
        MSRP_FRAME_BROKEN, /* nothing behind this point can be trusted: close */
};

enum msrp_failure_report { MSRP_FAILURE_YES, MSRP_FAILURE_PARTIAL, MSRP_FAILURE_NO };

/* Texts are in the arena, the body leads into the caller's bytes. */
struct msrp_frame {
        size_t used;
        const char *id;     /* of the transaction */
        const char *method; /* NULL: a response */
        int status;         /* of a response; 0: a request */
        const char *to_path, *from_path;
        const char *message_id, *content_type; /* NULL: none */
        int report;                            /* of a Status header in namespace 000; 0: none */
        bool success_report;
        enum msrp_failure_report failure_report;
        uint64_t start, total; /* of Byte-Range; 1 and 0 where there is none; total 0: unknown */
        const char *body;
        size_t body_len;
        char flag;       /* '$' the last chunk, '+' more follow, '#' given up */
        const char *why; /* BROKEN: a few words for the log */
};

/* What is known about the bytes at the front; zero-initialised at the start and after each frame (msrp_frame_next does the latter). */
struct msrp_framer {
        size_t scanned;
};

/* Looks at the untaken bytes of a connection; between calls bytes may only be added behind. Cost is linear in the bytes that are new. */
enum msrp_framing
msrp_frame_next(struct msrp_framer *framer, struct arena *arena, const char *bytes, size_t len, struct msrp_frame *frame);

/* Writes a start line with both paths; then headers, and the end. */
void msrp_write_request(struct buf *out, const char *id, const char *method, const char *to_path, const char *from_path);
void msrp_write_response(struct buf *out, const char *id, int status, const char *to_path, const char *from_path);
void msrp_write_end(struct buf *out, const char *id, char flag);

#endif
