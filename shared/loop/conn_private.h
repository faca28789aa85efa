/* conn_private.h - what conn.c (its life) and conn_io.c (its bytes) share */
#ifndef SHARED_LOOP_CONN_PRIVATE_H
#define SHARED_LOOP_CONN_PRIVATE_H

#include "shared/base/buf.h"
#include "shared/loop/conn.h"
#include "shared/loop/loop_private.h"
#include "shared/tls/session.h"

enum {
        CONN_DIALLING,
        CONN_OPEN,
        CONN_CLOSING,   /* output leaves, input is dropped */
        CONN_LINGERING, /* our FIN is out; the peer's is awaited */
        CONN_GONE,      /* the owner has let go, or is being told; the memory waits for libuv */
};

struct conn {
        uv_poll_t poll;
        struct worker *worker;
        const struct conn_events *events;
        void *owner;
        struct tls_session *tls;
        struct buf out;  /* from the owner, in clear */
        struct buf wire; /* TLS records, or clear text from before TLS, that the kernel has not taken */
        struct buf kept; /* input the owner has not taken */
        struct chore chore;
        struct timer timer; /* dialling, closing */
        struct address peer, local;
        uint64_t last_heard;
        size_t mark;
        size_t allowance; /* bytes the peer may still send; 0: any number */
        int fd;
        int failure;           /* errno of a dial that failed at once */
        int interest;          /* what libuv watches for us */
        unsigned short record; /* bytes of a TLS record of a stranger; 0: no bound of ours */
        char state;
        bool paused;
        bool awaits_proxy; /* a PROXY head comes first; what is there of it is kept */
        bool blocked;      /* the kernel took less than all: wait until it is writable */
        bool above;        /* the queue has been above the mark */
        bool delivering;   /* the owner's data() runs */
        bool dropped;      /* ... and has started TLS: what it leaves is not kept */
        bool look_again;   /* input waits that no read will announce */
        bool secure_told;  /* secured() has been called */
};

/* conn_io.c */
void conn_watch(struct conn *conn);      /* tells libuv what to look for now */
void conn_turn_end(struct chore *chore); /* delivers what waits, then flushes */
void conn_ready(uv_poll_t *poll, int status, int events);
/* conn.c */
void conn_fail(struct conn *conn, const char *why); /* from events and chores only: tells the owner, frees */

#endif
