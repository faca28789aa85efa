/* chat_private.h - two people talking: the texts that wait, and the sessions that carry them */
#ifndef SIPCOMP_SIMPLE_CHAT_PRIVATE_H
#define SIPCOMP_SIMPLE_CHAT_PRIVATE_H

#include "sipcomp/simple/simple_private.h"
#include "sipcomp/sip/sdp.h"

enum { CHAT_TEXTS_MAX = 200, CHAT_BYTES_MAX = 1024 * 1024, CHAT_SESSIONS_MAX = 4, PIECE_MAX = 40000, PIECE_SMALL = 2000 };

/* A text of ours; on disk until it is delivered or given back. */
struct text {
        struct link link;
        struct simple *simple;
        struct pair pair; /* its own copy */
        uint64_t serial;  /* key in the store; 0: a notice of ours that nobody waits for */
        struct simple_text said;
        const char *type; /* of a notice that is no plain text; NULL: text/plain */
        char *imdn;       /* they will say when it is delivered: the id they know it by (RFC 5438) */
        size_t len, done; /* bytes of the body; bytes the other side has taken */
        size_t piece, piece_max;
        unsigned sessions; /* started anew for it after a 481 */
        bool plainer;      /* without parameters in Content-Type */
};

/* Owned by simple->chats. */
struct chat {
        struct simple *simple;
        struct pair pair;
        unsigned char key[PAIR_KEY];
        struct log_scope log;
        struct list texts;
        size_t bytes;
        struct list sessions;     /* oldest first */
        struct sip_client *pager; /* a MESSAGE outside a dialog under way */
        bool leaving;             /* the user closed the chat: BYE when the queue is empty */
        bool typing, told_typing; /* our user types; the other side was told so */
        bool tell_again;          /* and that has grown old */
        uint64_t told_at;
        struct timer composing; /* without renewal they have paused (RFC 3994) */
};

enum session_state {
        SESSION_FRESH,
        SESSION_INVITING,
        SESSION_PAUSED,
        SESSION_READY,
        SESSION_LEAVING, /* they said BYE while a MESSAGE of ours was under way */
        SESSION_ENDING,  /* we said BYE */
        SESSION_OVER,
        SESSION_ANY
};

enum session_event {
        SESSION_WANTED,
        SESSION_INVITED,
        SESSION_ANSWERED,
        SESSION_UNUSABLE,
        SESSION_AGAIN,
        SESSION_LATER,
        SESSION_REFUSED,
        SESSION_TO_PAGER, /* answers to INVITE */
        SESSION_TAKEN,
        SESSION_TEXT_REFUSED,
        SESSION_ONCE_MORE,
        SESSION_LOST,
        SESSION_DEAD,
        SESSION_TOLD, /* answers to MESSAGE and INFO */
        SESSION_TIME,
        SESSION_CLOSE,
        SESSION_BYE,
        SESSION_BYE_BUSY,
        SESSION_ENDED,
        SESSION_ANY_EVENT
};

/* One dialog; owned by its chat. */
struct session {
        struct link link;
        struct chat *chat;
        struct dialog_ear ear;
        enum session_state stage;
        bool ours; /* we invited */
        struct sip_dialog *dialog;
        struct sip_client *client; /* the one request under way */
        bool sending;              /* and it carries the first text of the chat */
        char *accept_types;        /* of the other side; NULL: not said */
        char *sdp;                 /* what we answered */
        struct msrp_session *msrp; /* carries the texts; NULL: the dialog does */
        bool offers_msrp, msrp_secure;
        char *redirect;
        bool once_anew, once_later;            /* these steps were taken */
        const struct message_failure *failure; /* of the answer that is being handled */
        char failure_text[FAILURE_TEXT];
        struct timer timer;   /* idle, pause, the end of BYE */
        struct timer refresh; /* RFC 4028: theirs must have come, or ours is due */
        unsigned expires;     /* seconds */
        bool refreshing;      /* our re-INVITE is under way */
        bool over;
};

/* chat.c */
struct chat *chat_of(struct simple *simple, const struct pair *pair); /* makes it */
struct chat *chat_find(struct simple *simple, const struct pair *pair);
void chat_pump(struct chat *chat);
bool chat_has_another(const struct session *besides); /* that is ready */
/* Frees it when nothing is left in it. */
void chat_tidy(struct chat *chat);
void text_done(struct chat *chat); /* the first one was taken, or a piece of it */
void text_fail(struct chat *chat, const struct message_failure *failure, const char *why); /* the first one */
void text_fail_all(struct chat *chat, const struct message_failure *failure, const char *why);
/* Plainer, or in smaller pieces, where the refusal asks for that and it has not been done yet. */
bool text_change(struct text *text, const struct message_failure *failure);
/* The next piece of the first text, as it goes on the wire; returns its Content-Type. wrapped: in message/cpim, where the sender wants a receipt. */
const char *text_piece(struct text *text, struct buf *out, bool wrapped);
/* A notice of ours behind what waits in the session; type as in struct text. False: there is no session, or no room. */
bool chat_notify(struct simple *simple, const struct pair *pair, const char *type, const char *body);

/* session.c */
struct session *session_new(struct chat *chat, bool ours);
void session_free(struct session *session);
/* May free the session and the chat. */
void session_apply(struct session *session, enum session_event event, const struct sip_message *message);
bool session_can_send(const struct session *session); /* ready and nothing under way */
void session_send_text(struct session *session);
void session_send_typing(struct session *session, bool active);
void session_touch(struct session *session);               /* a MESSAGE passed: the idle time begins anew */
const char *session_accept_types(const struct chat *chat); /* what we say that we take */
void session_close_in(struct session *session, uint64_t ms);

/* How long to wait before the INVITE goes once more; 0: it does not. */
uint64_t session_pause_after(const struct sip_message *response);

/* session_answer.c */
void session_finish_invite(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);
void session_keep_failure(struct session *session, const struct message_failure *failure, const struct sip_message *response);

struct sip_client *session_start(struct session *session, struct sip_message *request, const struct sip_client_events *events);

/* session_timer.c. True: the interval is too short, it was answered (RFC 4028 9). */
bool session_refuse_hurry(struct sip_server *server, const struct sip_message *request);
/* What our 2xx says about the timer they ask for, which starts. */
void session_echo_timer(struct session *session, struct sip_message *response, const struct sip_message *request);

/* session_in.c */
void session_write_description(struct session *session); /* session->sdp, where there is none yet */
void session_hear(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request);
void session_init_ear(struct session *session);

/* session_msrp.c. Can this description of theirs become a session over MSRP? */
bool session_msrp_speaks(const struct simple *simple, const char *domain, const struct sip_sdp *theirs);
/* Remembers that the domain speaks it, where a message of theirs shows that. */
void session_msrp_learn(struct simple *simple, const char *domain, const struct sip_message *message);
/* Their offer, our answer: session->sdp. flow: where it came from. False: 488. */
bool session_msrp_answer(struct session *session, const struct sip_sdp *offer, uint64_t flow);
/* Our offer: session->sdp. */
void session_msrp_offer(struct session *session);
bool session_msrp_take_answer(struct session *session, const struct sip_sdp *answer, uint64_t flow);
/* session.c: the event that an answer of MSRP means for the text under way; 0: the connection is gone. */
enum session_event session_judge_msrp(struct session *session, int status);

/* body.c: what stands in a message goes to the bridge, who will call simple_vouch(id): 0; else the status to answer. thread may be NULL. */
int take_body(struct simple *simple, const struct pair *pair, const char *thread, const char *type, const char *bytes, size_t len,
        uint64_t id);
/* The same for a MESSAGE, answered. */
void take_text(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair,
        const char *thread);
void take_typing(struct chat *chat, const char *type, const char *bytes, size_t len);
void typing_over(struct timer *timer);

/* receipt.c: a text of ours of which they will say that it was delivered, and what they said; the key is a copy to keep. */
struct cpim;
const char *receipt_expect(struct simple *simple, const struct pair *pair, const struct simple_text *said);
void receipt_forget(struct simple *simple, const char *key);
void receipt_heard(struct simple *simple, const struct pair *pair, const struct cpim *cpim);
/* They want to hear of a text of theirs: the id its stanza must have. */
const char *receipt_owe(struct simple *simple, const struct pair *pair, const struct cpim *cpim);

/* pager.c */
void pager_send(struct chat *chat);

#endif
