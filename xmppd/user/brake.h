/* brake.h - reading of a stream pauses while this server is behind: a worker with a long mailbox, or a disk for which many writes wait
 *
 * One peer can speak faster than all workers together can listen. TCP then tells it to wait.
 */
#ifndef XMPPD_USER_BRAKE_H
#define XMPPD_USER_BRAKE_H

#include "shared/loop/timer.h"
#include "shared/xmpp/stream.h"

/* In what owns the stream; zero-initialised but for letters. */
struct brake {
        struct timer timer;     /* runs while reading is paused */
        struct stream **stream; /* where the owner has it; NULL there: it has gone meanwhile */
        size_t letters;         /* in the mailbox of any worker: from so many on it pauses */
};

/* Something was read. Pauses for wait milliseconds, and as long as the server is behind; wait 0: only for that. */
void brake_use(struct brake *brake, struct stream **stream, uint64_t wait);
/* The stream closes or goes elsewhere. */
void brake_stop(struct brake *brake);

#endif
