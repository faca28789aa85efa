/* mailbox.h - the one door between workers */
#ifndef SHARED_LOOP_MAILBOX_H
#define SHARED_LOOP_MAILBOX_H

#include <stddef.h>

struct mailbox;
struct worker;

/* Embed a letter in what you send. Posting gives the object away: only the receiver may touch it afterwards. */
struct letter {
        struct letter *next;
        void (*open)(struct letter *); /* runs once, on the receiver's thread */
};

struct mailbox *mailbox_new(struct worker *owner);
void mailbox_free(struct mailbox **box);                       /* once no one can post any more; opens what is still inside */
void mailbox_post(struct mailbox *box, struct letter *letter); /* any thread; keeps each sender's order */
size_t mailbox_waiting(const struct mailbox *box);             /* any thread; letters posted and not yet opened, for pressure */
/* For tests, before workers run: from now on every box now and then opens its letters some turns later, so that letters of different senders
 * meet in orders that are rare otherwise. seed 0: no longer. */
void mailbox_delay_at_random(unsigned seed);

#endif
