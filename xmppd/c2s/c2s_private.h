/* c2s_private.h - a client's stream, for the files of this room */
#ifndef XMPPD_C2S_C2S_PRIVATE_H
#define XMPPD_C2S_C2S_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/stream.h"
#include "xmppd/c2s/pace.h"
#include "xmppd/route/doorkeeper.h"
#include "xmppd/sasl/sasl.h"
#include "xmppd/user/brake.h"
#include "xmppd/user/session.h"

/* Owned by the worker it is on; freed when its stream has closed. */
struct client {
        struct link in_worker;
        struct stream *stream;   /* NULL while it moves */
        char state;              /* enum state of negotiate.c; written by negotiate() only */
        char attempts;           /* failed logins */
        struct session *session; /* from binding on */
        char *domain;            /* from the first header on */
        char *lang;              /* of its stream header; NULL: none */
        char *account;           /* from login on: the bare JID */
        size_t replayed;         /* bytes that were sent again to a resumed client, until it has read them */
        struct brake brake;
        struct pace pace;
        struct ticket ticket; /* settled with the last SASL answer */
        struct login *login;  /* until it is bound: what only negotiation needs */
        struct log_scope log;
};

/* What negotiation needs and an idle session need not carry. */
struct login {
        struct timer deadline;
        struct timer pause; /* before a failure is told */
        struct chore moving;
        struct letter letter; /* carries the client to another worker */
        struct client *client;
        struct stream_parcel *parcel;
        struct sasl *sasl;
        char *success; /* base64 for <success/>; NULL: no data */
        const char *failure;
        uint64_t asked;                    /* monotonic ms of the client's last SASL message */
        bool waiting;                      /* a SASL answer comes later: the stream is paused */
        struct registration *registration; /* an account is being made for it (register.c): the stream is paused */
        char *registration_id;             /* of the iq that asked for that */
};

enum event {
        HEADER, /* the client's stream header; the element is it */
        STARTTLS,
        SECURED,
        AUTH,
        RESPONSE,
        ABORT,
        CHALLENGE, /* the SASL exchange goes on: bytes to send */
        PROVEN,
        REFUSED,
        FORGIVEN, /* the pause after a failure is over */
        HOME,     /* the stream has arrived where its account lives */
        BIND,
        BOUND_NOW,
        RESUME, /* XEP-0198 */
        NOT_RESUMED,
        ENABLE,
        REGISTER,   /* XEP-0077: an iq about an account, before login */
        REGISTERED, /* it has been answered */
        STANZA,
        OTHER, /* any other element */
};

/* negotiate.c: applies the table; an event that no row expects ends the stream. */
void negotiate(struct client *client, enum event event, struct element *element);

/* client.c */
void client_new(int fd, bool direct, const struct ticket *ticket);
extern const struct stream_events client_events;
void client_join_worker(struct client *client); /* counts among the streams of this worker */
void client_leave_worker(struct client *client);
/* What its parser allows: less before login. */
struct xml_limits client_limits(const struct client *client);
bool client_is_stopping(void); /* this worker takes no more streams */
void client_stop_negotiating(struct client *client);

/* login.c: the steps from <auth/> to the home of the account */
void login_begin(struct client *client, struct element *auth);
void login_go_on(struct client *client, struct element *response);
void login_abort(struct client *client, struct element *unused);
void login_challenge(struct client *client, struct element *unused);
void login_move(struct client *client, struct element *unused);
void login_succeed(struct client *client, struct element *unused);
void login_punish(struct client *client, struct element *unused);
void login_fail(struct client *client, struct element *unused);
void login_free(struct client *client);

/* register.c: an account before login */
bool register_is_offered(const struct client *client);
bool register_takes(const struct client *client, const struct element *iq);
void register_answer(struct client *client, struct element *iq);
void register_abandon(struct login *login);

/* resume.c: stream management */
/* An element of a bound stream; false: it is none of stream management. */
bool resume_takes(struct client *client, const struct element *element);
void resume_refuse_early(struct client *client, struct element *unused);
void resume_begin(struct client *client, struct element *resume);
void resume_finish(struct client *client, struct element *unused);
void resume_fail(struct client *client, struct element *unused);
/* Its stream has closed while it waited for the session. */
void resume_abandon(struct client *client);

/* session_out.c: a bound stream */
extern const struct session_edge stream_edge; /* its owner is the client */
void bound_open(struct client *client, struct element *bind);
void bound_receive(struct client *client, struct arena *arena, struct element *element, const struct xml_source *source);

#endif
