/* ledger_private.h - what ledger.c (counting) and ledger_start.c (how it begins) share */
#ifndef XMPPD_S2S_LEDGER_PRIVATE_H
#define XMPPD_S2S_LEDGER_PRIVATE_H

#include "shared/xmpp/pledge.h"
#include "xmppd/s2s/s2s_private.h"

/* Owned by its stream, or after a cut by the remote domain. Counters only grow; on the wire they are their low 32 bits (XEP-0198 4). */
struct ledger {
        struct link in_remote;
        struct remote *remote;
        struct s2s *s2s; /* NULL: cut */
        bool is_incoming;
        bool is_up;       /* <enabled/> or <resumed/> has been exchanged */
        bool is_resuming; /* <resume/> was sent, or came and waits for what came before to be handled */
        bool can_resume;
        bool has_bidi; /* while cut: stanzas went both ways */
        char id[64];   /* under which it may be resumed; the receiving side has made it */
        char *local;
        struct list pairs; /* while cut */
        /* to them */
        uint64_t sent, acknowledged;
        struct list unacknowledged; /* struct held, oldest first */
        bool is_asked;
        struct timer timer; /* up: to ask, then for the answer; cut: until it is given up */
        /* from them */
        uint64_t received, handled;
        struct pledge *pledge;
        uint64_t their_h; /* of a <resume/> that waits */
};

struct ledger *ledger_new(struct s2s *s2s); /* of this stream from now on */
void ledger_free(struct ledger *ledger);
/* There will be no acknowledgements: what was sent has left, and its rows go. */
void ledger_settle(struct ledger *ledger);
/* What the other side may never have got waits for another stream. Frees the ledger. */
void ledger_give_up(struct ledger *ledger);
/* For an acknowledgement, if there is anything to acknowledge and none is on its way. */
void ledger_ask(struct ledger *ledger);
/* The `h` of an acknowledgement: what it covers is dropped. False: NULL, no number, or more than was sent. */
bool ledger_take_h(struct ledger *ledger, const char *text);
/* All that came before the stream was cut has been handled: now is the time to say how much that is, for who resumes and for who is resumed. */
void ledger_ask_to_resume(struct ledger *ledger);
void ledger_finish_resumption(struct ledger *ledger);
/* <enable/>, <resume/> and what is answered to them. False: it is none of these, or not one for this side and this moment. */
bool ledger_start_takes(struct s2s *s2s, const struct element *element);

#endif
