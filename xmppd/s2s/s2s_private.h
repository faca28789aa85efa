/* s2s_private.h - streams between servers, for the files of this room */
#ifndef XMPPD_S2S_S2S_PRIVATE_H
#define XMPPD_S2S_S2S_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/dns/dialer.h"
#include "shared/loop/worker.h"
#include "shared/tls/session.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/stream.h"
#include "xmppd/route/doorkeeper.h"
#include "xmppd/route/policy.h"
#include "xmppd/s2s/s2s.h"
#include "xmppd/user/brake.h"

#define NS_DIALBACK_FEATURE "urn:xmpp:features:dialback"
#define NS_BIDI             "urn:xmpp:bidi"
#define NS_BIDI_FEATURE     "urn:xmpp:features:bidi"

struct held;

/* ---- streams (s2s.c) ---- */

/* How one side has proven to the other that it is a domain. */
enum proof { PROOF_NONE, PROOF_ASKED, PROOF_DIALBACK, PROOF_EXTERNAL, PROOF_CERTIFICATE, PROOF_REFUSED };
static inline bool
proof_holds(enum proof proof)
{
        return proof == PROOF_DIALBACK || proof == PROOF_EXTERNAL || proof == PROOF_CERTIFICATE;
}

/* One of our domains and one of theirs, on one stream. Owned by the stream. */
struct pair {
        struct link in_stream;
        char *local, *remote;
        enum proof theirs;  /* that they are the remote domain: its stanzas are accepted */
        enum proof ours;    /* that we are the local domain: its stanzas may be sent */
        uint64_t last_used; /* grows with each stanza that is sent, over all streams of this worker */
};

/* A stream of either direction. Owned by the worker it is on; freed when its stream has closed. What the directions do not share is the
 * negotiation: in.c and out.c, with a table each. */
struct s2s {
        struct link in_worker, in_remote;
        struct stream *stream; /* NULL while it moves */
        uint64_t serial;       /* no two have the same: what is asked for it on other workers comes back under this */
        char state;            /* of the table of in.c or out.c */
        bool is_incoming : 1;
        bool is_open : 1; /* negotiated: stanzas of proven pairs may go */
        bool was_open : 1;
        bool has_bidi : 1; /* XEP-0288: stanzas go both ways */
        bool offers_bidi : 1, offers_dialback : 1, offers_external : 1, offers_sm : 1,
                offers_tls : 1; /* the other side, in its features */
        char failures;          /* of SASL */
        char gave_up;           /* outgoing: enum cause for which we have ended it; CAUSE_NONE: we have not */
        char id[64];            /* of the stream: ours where it came in, theirs where we opened it; "" before */
        char *local, *remote;   /* as the headers have it; on incoming streams NULL where it had none */
        struct remote *of;      /* at home; NULL before */
        struct reach *reach;    /* outgoing: until it is open */
        struct list pairs;
        struct attempt *
                attempt; /* incoming: ours until the stream is at home, then of the remote; outgoing: of the reach. NULL once open */
        struct timer timer;    /* deadline of the negotiation, then idleness */
        struct timer settling; /* both ways and just open: the other side may still ask for stream management */
        struct brake brake;
        struct chore moving;
        struct letter letter;
        struct stream_parcel *parcel;
        struct question *question; /* the claim that made it move */
        struct ledger *ledger;     /* XEP-0198; NULL: not in use */
        struct ticket ticket;      /* incoming: of the doorkeeper */
        uint64_t in, out;          /* stanzas */
        int64_t opened;
        uint64_t last_used; /* worker_now */
        struct log_scope log;
};

/* Takes fd. The deadline of the negotiation runs. */
struct s2s *s2s_new(bool is_incoming, int fd, const char *local, const char *remote);
extern const struct stream_events s2s_events;
/* Counts among the streams of this worker; off again while it moves. */
void s2s_join(struct s2s *s2s);
void s2s_leave(struct s2s *s2s);
void s2s_restart_deadline(struct s2s *s2s);
/* The stream of this worker with this serial number; NULL: gone. */
struct s2s *s2s_find(uint64_t serial);
struct pair *s2s_pair(const struct s2s *s2s, const char *local, const char *remote); /* NULL: none */
/* The remote domain is proven for some domain of ours: which one of them it writes to is its own affair. */
bool s2s_has_proven(const struct s2s *s2s, const char *remote);
struct pair *
s2s_add_pair(struct s2s *s2s, const char *local, const char *remote); /* the one there is, or a new one; NULL: too many */
void s2s_free_pairs(struct list *pairs);
/* Negotiation is over: other limits, no deadline. */
void s2s_open(struct s2s *s2s);
/* Closed when nothing has been sent or has come for s2s.idle. */
void s2s_rest(struct s2s *s2s);
/* Ends the stream with an error; the cause, if there is one, goes to the attempt. */
void s2s_fail(struct s2s *s2s, enum stream_condition condition, enum cause cause, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
void s2s_close(struct s2s *s2s);
bool s2s_is_stopping(void); /* this worker takes no more streams */
bool s2s_is_secure(const struct s2s *s2s);
const char *s2s_proof_name(enum proof proof); /* NULL: nothing is proven */
/* A domain in whose name this server speaks with others: a local one, a component that is no SIP domain, a mail domain. */
bool s2s_is_ours(const char *domain);
/* Prepares the `from` or `to` of a header or of dialback. NULL: absent or no domain. In the arena. */
const char *s2s_domain(struct arena *arena, const struct element *element, const char *attribute);

/* ---- the other side's certificate (certificate.c) ---- */

/* Judges the other side's certificate against this name by the rules of the peer; CAUSE_NONE: it is valid and names it, or is pinned. detail has
 * room for the reason. */
enum cause certificate_judge(const struct s2s *s2s, const char *remote, char *detail, size_t room);
/* Is there TLS where the rules of the peer require it, and a certificate that is good where they require that? CAUSE_NONE: yes. To be asked before
 * anybody proves anything. detail has room for the reason. */
enum cause certificate_check(const struct s2s *s2s, const char *remote, char *detail, size_t room);
/* Into its attempt: version, cipher, and the verdict on each certificate the other side has shown. */
void certificate_note(struct s2s *s2s);

/* ---- may a stream that is open go on (review.c) ---- */

/* Ends it where the policy, the domains or the rules of the peer that are in force now do not allow it as it is. */
void review_settings(struct s2s *s2s);
/* Milliseconds until the next certificate of the other side expires. All that was read of them is given back: who asks again has it read again. */
uint64_t review_next(struct s2s *s2s);
/* Ends it where one that counts has expired. True: it has ended. */
bool review_dates(struct s2s *s2s);

/* ---- negotiation (in.c, out.c, out_end.c) ---- */

/* A negotiation as a table: in this state, when this happens, this is done, and then it is in that state. States and events are enums of the file
 * that has the table, and named for the log. */
struct step_row {
        int in, when;
        void (*act)(struct s2s *s2s, const struct element *element, struct arena *arena);
        int then;
};
struct steps {
        const struct step_row *rows;
        size_t count;
        const char *const *states, *const *events;
};
/* First the state, then the act, which may bring about the next event. False: nothing of the kind is expected now. */
bool steps_apply(const struct steps *steps, struct s2s *s2s, int event, const struct element *element, struct arena *arena);

/* A connection has come to one of our ports; on the worker it was handed to. */
void s2s_accept(int fd, bool is_direct, const struct ticket *ticket);
void in_see_header(struct s2s *s2s, struct element *header);
void in_see_secured(struct s2s *s2s);
void in_see_element(struct s2s *s2s, const struct element *element, struct arena *arena);
void in_see_closed(struct s2s *s2s);
const char *in_state(const struct s2s *s2s);
/* Does the policy let this domain come to us, and is it none of ours? Ends the stream where not. */
bool in_may_come(struct s2s *s2s, const char *remote);
/* certificate_check for it. Ends the stream where that is not met. */
bool in_is_safe_enough(struct s2s *s2s, const char *remote);
/* The other side is this remote domain: its stanzas are taken from now on, and where they go both ways ours are sent. Opens the stream. */
void in_prove(struct s2s *s2s, struct pair *pair, enum proof proof);

/* A stream of theirs that goes both ways: is it still open whether it will be under stream management? Nothing is sent on it so long. */
bool in_is_settling(const struct s2s *s2s);

/* Begins on a connection that has just come about. Takes fd. */
struct s2s *out_new(struct reach *reach, int fd);
void out_see_header(struct s2s *s2s, struct element *header);
void out_see_secured(struct s2s *s2s);
void out_see_element(struct s2s *s2s, const struct element *element, struct arena *arena);
const char *out_state(const struct s2s *s2s);
/* Something waits: domains to be proven, questions to be asked. Does what can be done now. */
void out_go_on(struct s2s *s2s);
/* Will it carry the stanzas of this domain of ours, now or when negotiation is done? Sees to it that it does where it can. */
bool out_takes(struct s2s *s2s, const char *local);
/* Will it ask the questions of its domain, now or when negotiation is that far? Does so where it can. */
bool out_asks(struct s2s *s2s);

/* Is it at the handshake of TLS? Has it been offered ways to prove us, and perhaps taken one? */
bool out_is_securing(const struct s2s *s2s);
bool out_is_offered(const struct s2s *s2s);
/* out_end.c: this connection will not do. The reach tries another target; the stream ends in its own time. */
void out_give_up(struct s2s *s2s, enum cause cause, const char *format, ...) __attribute__((format(printf, 3, 4)));
void out_see_closed(struct s2s *s2s, const char *why);
/* Why nothing came in time. */
enum cause out_cause_of_silence(const struct s2s *s2s);

/* ---- stanzas (receive.c) ---- */

/* Of an open stream. Takes the arena. */
void receive_stanza(struct s2s *s2s, struct arena *arena, struct element *element, const struct xml_source *source);

/* ---- stream management (XEP-0198; ledger.c, ledger_start.c) ---- */

void ledger_offer(struct buf *out); /* writes the stream feature, if it is switched on */
void ledger_begin(struct s2s *s2s); /* on an outgoing stream that is open: enables it, or resumes what was cut */
void ledger_take(struct s2s *s2s, const struct element *element); /* one of its namespace */
/* Sends the stanza and keeps it until it is acknowledged. Takes it. */
void ledger_send(struct s2s *s2s, struct held *held);
bool ledger_may_send(const struct s2s *s2s);                 /* no: it is being resumed, or too much is not acknowledged */
void ledger_receive(struct s2s *s2s, struct stanza *stanza); /* counts it; NULL: one that was refused */
/* The stream has ended: what may be resumed stays with the remote domain, the rest waits for another stream. */
void ledger_lost(struct s2s *s2s, bool by_peer); /* by_peer: with a stream error of the other side */
/* Streams that were cut, end or are being resumed have stanzas of ours that may not have arrived: others do not overtake them. */
bool ledger_owes(const struct remote *remote);
/* The local domain whose stream is to be resumed by us; NULL: none is. */
const char *ledger_wants(const struct remote *remote);
/* The administrator has ended this stream: nobody resumes it. */
void ledger_bar(struct s2s *s2s);
void ledger_forget_all(struct remote *remote);
/* Every list of struct held with what is not acknowledged, on streams of this domain and left by them. */
void ledger_each_list(struct remote *remote, void (*each)(const struct list *list));
/* At stop: false: an acknowledgement is awaited, and the stream ends when it comes, or after a moment. */
bool ledger_is_settled(struct s2s *s2s);

/* ---- what has not left, on disk where it takes long (spool.c) ---- */

/* A stanza that waits for a stream, or for its acknowledgement. */
struct held {
        struct link in_list;
        struct stanza *stanza;
        uint64_t due; /* worker_now, when it goes back */
        uint64_t row; /* in the store; 0: it is not there */
};
/* Takes the reference. */
struct held *held_new(struct stanza *stanza, uint64_t due);
/* It is in no list any more. The reference is given back, the row erased. */
struct stanza *held_take(struct held *held);
/* keep_row: for the next start. */
void held_drop(struct held *held, bool keep_row);
/* All that this domain has waiting, or sent without acknowledgement: now, or in a moment. */
void spool_write(struct remote *remote);
void spool_in_time(struct remote *remote);
void spool_stop_here(void);

/* ---- dialback (XEP-0220, keys by XEP-0185) ---- */

enum { DIALBACK_KEY = 65 };

/* The key by which originating shows itself to receiving on the stream that receiving has given this id. */
void dialback_key(char key[DIALBACK_KEY], const char *receiving, const char *originating, const char *id);
/* "This is the key of `local`; am I it?" on an outgoing stream. */
void dialback_claim(struct s2s *s2s, struct pair *pair);
/* On an outgoing stream to the domain's own server. */
void dialback_ask(struct s2s *s2s, struct question *question);
/* <db:verify/> of somebody who was shown a key in the name of one of our domains. */
void dialback_answer(struct s2s *s2s, const struct element *verify, struct arena *arena);
/* Tells the other side what came of its claim. Refuse: without having asked anybody; condition is that of a stanza error. */
void dialback_tell(struct s2s *s2s, const struct question *answered);
void dialback_refuse(struct s2s *s2s, const char *local, const char *remote, const char *condition, const char *text);
/* Does the server that was asked say that it does not serve the domain? */
bool dialback_is_unknown_there(const struct element *answer);
/* The words of an answer that is not "valid". */
void dialback_read_error(const struct element *answer, char *text, size_t room);

/* ---- claims of the other side (claim.c) ---- */

/* <db:result/> with a key. Is it one that deserves a look? NULL: it was refused, and the stream perhaps ended. */
struct question *claim_read(struct s2s *s2s, const struct element *result, struct arena *arena);
/* At home. Takes the question. */
void claim_settle(struct s2s *s2s, struct question *question);
/* What the server of the domain has said to a question; or that it could not be asked. */
void claim_answered(struct s2s *s2s, const struct question *question);

/* ---- remote domains (remote.c), at their homes ---- */

struct remote {
        struct link in_all;  /* least recently used first */
        char *domain;        /* prepared */
        struct list waiting; /* struct held, oldest first */
        size_t waiting_bytes;
        struct list outs, ins; /* struct s2s: outgoing ones that connected, incoming ones that claim or have proven it */
        struct list reaches;   /* attempts that go on, one for a local domain */
        struct list questions; /* to be asked, or asked and not answered; oldest first */
        struct timer spooling; /* until what waits is written to disk */
        struct timer timer;    /* the next stanza to go back, or the next attempt */
        uint32_t failures;     /* in a row */
        uint32_t vain;         /* streams in a row that ended before anything had come of them */
        uint64_t retry_at;     /* worker_now; 0: at once */
        enum cause cause;      /* of the last failure */
        char *detail;          /* of that; NULL: none */
        struct bucket asked;   /* rate of questions */
        struct attempts attempts;
        struct list ledgers; /* struct ledger: what streams that were cut have left */
};

/* At home, with the prepared domain. Kept while anything is in it, and for a while after. */
struct remote *remote_find(const char *domain);
struct remote *remote_get(const char *domain); /* made where there is none; NULL: too many */
/* The other side has come to us and proven its domain: earlier failures count no more. */
void remote_has_come(struct remote *remote);
/* The last target was tried in vain: what waits goes back or waits for another attempt. */
void remote_failed(struct remote *remote, const char *local, enum cause cause, const char *detail);
/* A claim on a stream that is up was refused. */
void remote_refused(struct remote *remote, const char *local, enum cause cause, const char *detail);
/* After a reload: what may not be sent any more goes back, what failed is tried anew. */
void remote_check_policy(void);
/* An attempt came to nothing: the next one waits for a moment. */
void remote_note_failure(struct remote *remote, enum cause cause, const char *detail);
/* A stream has come about. */
void remote_reached(struct remote *remote);
/* A stream is gone: its questions and stanzas go elsewhere. */
void remote_lost(struct s2s *s2s);
/* Any worker: an attempt that came to nothing before it was at home. Takes it. */
void remote_post_attempt(const char *domain, struct attempt *attempt);
/* Wakes when the next thing is due: something to send back, to give up, or to try again. After each change of what waits. */
void remote_set_timer(struct remote *remote);

/* ---- what waits for a remote domain, and what is sent to it (remote_send.c) ---- */

/* A pair of an outgoing (or bidirectional) stream may carry stanzas: what waits goes. */
void remote_flush(struct remote *remote);
/* Does anything wait that this local domain has sent? */
bool remote_wants(const struct remote *remote, const char *local);
/* Sees to it that there will be a stream for each stanza that waits, and an answer to each question. */
void remote_want_all(struct remote *remote);
/* Before all that waits already: it was sent on a stream that is gone. Takes it. */
void remote_let_wait_first(struct remote *remote, struct held *held);
/* At the start: it was waiting when the server ended. The settings may be others now. Takes it. */
void remote_take_up(struct held *held);
/* Back to its sender, with the cause as the error: one that waits; or all of this local domain, NULL: of all. */
void remote_send_one_back(struct remote *remote, struct held *held, enum cause cause, const char *detail);
void remote_send_back(struct remote *remote, const char *local, enum cause cause, const char *detail);
/* At stop: what stands on disk stays there. */
void remote_drop_waiting(struct remote *remote);

/* ---- questions at the home of the remote domain (question.c) ---- */

/* "Did you make this key?", asked at the home of the remote domain in the name of a stream elsewhere. */
struct question {
        struct letter letter;
        struct link in_remote;
        struct worker *asker;
        uint64_t serial; /* of the stream that wants to know */
        char *local, *remote, *id, *key;
        uint64_t asked_on;  /* serial of the stream on which it was asked; 0: not asked yet */
        uint64_t due;       /* worker_now: it is given up then */
        enum cause cause;   /* the answer: CAUSE_NONE: it did */
        enum cause beneath; /* where it could not be asked: why */
        char detail[200];
};
/* In the name of the stream with this serial number. Freed when it is answered, or with question_free by who has not posted it. */
struct question *question_new(uint64_t serial, const char *local, const char *remote, const char *id, const char *key);
void question_free(struct question **question);
/* Any worker. Takes the question; the answer comes to claim_answered. */
void question_post(struct question *question);
/* Sends the answer to the worker of the stream. Takes the question. remote NULL: it is in no list of one yet. detail may be NULL. */
void question_answer(struct remote *remote, struct question *question, enum cause cause, const char *detail);
/* The answer to a question that was asked on this stream. False: nobody has asked. */
bool
question_take_answer(struct s2s *s2s, const char *local, const char *id, enum cause cause, enum cause beneath, const char *detail);
/* On an outgoing stream: asks all that nobody has been asked yet; are any that were asked there not answered? */
void question_ask_all(struct s2s *s2s);
bool question_awaits(const struct s2s *s2s);
/* Sees to it that it will be asked. */
void question_want(struct remote *remote, const struct question *question);

/* ---- the way to a stream (reach.c): target after target ---- */

struct reach {
        struct link in_remote;
        struct remote *remote; /* NULL for a trial */
        struct trial *trial;
        char *local, *domain;
        char ascii[256];
        struct dialer *dialer;
        struct s2s *s2s; /* the connection that is being negotiated; NULL: none */
        struct attempt *attempt;
        bool skips_external, skips_tls; /* with the present target: they failed there */
        bool has_retried;               /* without EXTERNAL */
        bool is_direct;                 /* TLS from the first byte */
};
void reach_begin(struct remote *remote, const char *local);
/* The attempt stays the trial's. */
struct reach *reach_try(struct trial *trial, struct attempt *attempt, const char *local, const char *domain);
/* Of its connection: it will not come to anything; try the next. again: the same target, with other flags. */
void reach_next(struct reach *reach, enum cause cause, const char *detail);
void reach_again(struct reach *reach);
/* The connection has become a stream: the reach is over. */
void reach_succeeded(struct reach *reach);
void reach_free(struct reach **reach);

/* ---- trials (trial.c) ---- */

/* Of its reach, which is freed: every target was tried in vain; or there is a stream. */
void trial_failed(struct trial *trial);
void trial_reached(struct trial *trial, struct s2s *s2s);
/* A stream without a remote domain has closed. */
void trial_lost(const struct s2s *s2s, enum cause cause, const char *why);
/* Is this what a trial waits for? Any worker. */
bool trial_takes(const struct s2s *s2s, const struct stanza *stanza);
/* At stop, on each worker. */
void trial_stop(void);

#endif
