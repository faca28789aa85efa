/* extension.h - what an XEP may register; one struct in one file says all of it
 *
 * Disco, the manual, the configuration reader and xmppctl read the same struct. xep/all.c lists the extensions in order.
 */
#ifndef XMPPD_EXTEND_EXTENSION_H
#define XMPPD_EXTEND_EXTENSION_H

#include "shared/config/config.h"
#include "shared/xmpp/stanza.h"

struct session;

/* TO_OWN: to the account of who asks. To all others there is no such handler: the answer that a server gives for an account that does not exist
 * (RFC 6121 8.5.1), since any other would tell strangers who has an account. That is why they do not hear `forbidden`, which some XEPs have. */
enum { TO_SERVER = 1, TO_ACCOUNT = 2, TO_OWN = 4 };

/* An iq get or set whose payload has this name and namespace. The handler borrows the iq and answers it once, now or later (then it keeps a
 * reference): route_result, route_error, or a stanza of its own. Runs at the home of `to`. */
struct iq_handler {
        enum stanza_type type;
        int where;
        const char *ns, *name;
        void (*answer)(struct stanza *iq);
};

enum hook_point {
        HOOK_FROM_CLIENT,  /* a stanza of this session, from and to stamped, not yet routed or sealed */
        HOOK_FROM_OUTSIDE, /* a stanza from a component, not yet routed or sealed; the session is NULL */
        HOOK_TO_SESSION,   /* a stanza about to be delivered to this session */
        HOOK_DELIVERED,    /* a message for the account went to this session as the rules of delivery say; others may get a copy */
        HOOK_SESSION_OPEN, /* bound; the stanza is NULL */
        HOOK_SESSION_LOST, /* its stream is gone, it may be resumed; the stanza is NULL */
        HOOK_SESSION_RESUMED, /* it has a stream again and has been sent what it missed; the stanza is NULL */
        HOOK_SESSION_CLOSE,   /* it ends; the stanza is NULL */
        HOOK_SESSION_IDLE,    /* silent for ping.idle seconds; the stanza is NULL */
        HOOK_POINTS
};
/* STOP: the hook has dealt with the stanza (answered or dropped it); nobody else sees it. */
enum verdict { PASS, STOP };

struct hook {
        enum hook_point point;
        int order; /* smaller runs first; ends with .run == NULL */
        enum verdict (*run)(struct session *session, struct stanza *stanza);
};

/* An element of a client's stream that is no stanza. Borrows. Ends with .take == NULL. */
struct nonza_handler {
        const char *ns, *name;
        void (*take)(struct session *session, const struct element *element);
};

struct extension {
        const char *name; /* also the title of its settings: ping { idle = 300 } */
        int xep;
        const char *version;
        void (*start)(void); /* once, before workers run */
        /* Is it switched on by the settings in force on this worker? While it is not, nothing shows it and nothing of it runs, but for the hooks
         * by which a session ends. NULL: always. */
        bool (*is_on)(void);
        const char *const *features; /* of the server's disco#info, NULL-terminated; NULL: none */
        const char *const *account_features;
        void (*info)(struct arena *arena, struct element *query); /* adds to the server's disco#info (XEP-0128) */
        const struct iq_handler *iqs;                             /* ends with .answer == NULL */
        const struct nonza_handler *nonzas;
        void (*offer)(struct buf *out); /* adds to the stream features after login */
        const struct hook *hooks;       /* ends with .run == NULL */
        const struct setting *settings; /* ends with .name == NULL */
};

/* Once, before workers run. all ends with NULL and must stay. */
void extend_start(const struct extension *const *all);
const struct extension *const *extend_all(void);
/* Fills a disco#info query with what the server or, of_account, an account is and can do now (XEP-0030, XEP-0128). */
void extend_describe(struct arena *arena, struct element *query, bool of_account);
/* Finds the handler for an iq get or set and runs it. False: there is none (the caller refuses with service-unavailable). */
bool extend_answer(struct stanza *iq, int where);
/* False: no extension knows it. */
bool extend_take(struct session *session, const struct element *element);
/* The stream features after login that the extensions add. */
void extend_offer(struct buf *out);
/* Runs the hooks of a point until one says STOP. */
enum verdict extend_run(enum hook_point point, struct session *session, struct stanza *stanza);

#endif
