/*
 * barrier.c - when may a SIP 200 vouch for a text?
 *
 * XEP-0114 acknowledges nothing. xmppd answers a ping only after everything before it is on disk, so the ping that follows a text speaks for it;
 * another server's answer says at least that the text was read. One ping is under way for each local domain; texts that come meanwhile share the next.
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/list.h"
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 2000 };

/* One text. */
struct vouch {
        struct link link;
        uint64_t server; /* the SIP request */
        char *message_id;
        int status; /* what it will be answered */
};

struct barrier {
        struct edge *edge;
        char *local; /* the domain that is asked */
        char id[40]; /* of the ping under way; "": none */
        struct list asked, next;
        struct timer patience;
};

static void
settle(struct barrier *barrier, struct list *list, int status)
{
        for (LIST_EACH(vouch, list, struct vouch, link)) {
                list_remove(list, &vouch->link);
                simple_vouch(barrier->edge->gateway->simple, vouch->server, status != 200 ? status : vouch->status);
                mem_free(vouch->message_id);
                mem_free(vouch);
        }
}

static void
lose_patience(struct timer *timer)
{
        struct barrier *barrier = container_of(timer, struct barrier, patience);
        log_warn(LOG_ABOUT("bridge", barrier->local), "has not answered a ping in 2 s: %zu texts are refused with 504",
                barrier->asked.count + barrier->next.count);
        barrier->id[0] = '\0';
        settle(barrier, &barrier->asked, 504);
        settle(barrier, &barrier->next, 504);
}

static void
ask(struct barrier *barrier)
{
        struct arena *arena = arena_new(256);
        struct jid from, to;
        char hex[32];
        barrier->asked = barrier->next;
        barrier->next = (struct list){ 0 };
        snprintf(barrier->id, sizeof(barrier->id), "b%s", random_hex(hex, 12));
        timer_start(&barrier->patience, PATIENCE_MS, lose_patience);
        bool sent = false;
        if (jid_parse(&from, arena, barrier->edge->domain) && jid_parse(&to, arena, barrier->local)) {
                struct stanza *ping = stanza_new(STANZA_IQ, IQ_GET, &from, &to);
                stanza_set_id(ping, barrier->id);
                element_add(ping->arena, ping->element, "ping", NS_PING);
                sent = component_send(barrier->edge->component, ping, false);
        }
        arena_free(&arena);
        if (!sent)
                barrier_break(barrier->edge);
}

void
barrier_add(struct edge *edge, const struct jid *local, uint64_t server, const char *message_id)
{
        struct barrier *barrier = map_get_str(edge->barriers, local->domain);
        if (barrier == NULL) {
                barrier = MEM_NEW(barrier);
                barrier->edge = edge;
                barrier->local = mem_strdup(local->domain);
                map_put_str(edge->barriers, barrier->local, barrier);
        }
        struct vouch *vouch = MEM_NEW(vouch);
        vouch->server = server;
        vouch->message_id = mem_strdup(message_id);
        vouch->status = 200;
        list_append(&barrier->next, &vouch->link);
        if (barrier->id[0] == '\0')
                ask(barrier);
}

bool
barrier_reply(struct edge *edge, const struct stanza *iq)
{
        struct barrier *barrier = map_get_str(edge->barriers, iq->from.domain);
        if (barrier == NULL || barrier->id[0] == '\0' || !text_equal(barrier->id, iq->id))
                return false;
        barrier->id[0] = '\0';
        timer_stop(&barrier->patience);
        settle(barrier, &barrier->asked, 200);
        if (!list_is_empty(&barrier->next))
                ask(barrier);
        return true;
}

static bool
refuse_in(struct list *list, const char *message_id, int status)
{
        for (LIST_EACH(vouch, list, struct vouch, link)) {
                if (!text_equal(vouch->message_id, message_id))
                        continue;
                vouch->status = status;
                return true;
        }
        return false;
}

bool
barrier_refuse(struct edge *edge, const struct stanza *error, int status)
{
        struct barrier *barrier = map_get_str(edge->barriers, error->from.domain);
        return barrier != NULL && error->id != NULL &&
                (refuse_in(&barrier->asked, error->id, status) || refuse_in(&barrier->next, error->id, status));
}

void
barrier_break(struct edge *edge)
{
        struct barrier *barrier;
        for (size_t at = 0; (barrier = map_next(edge->barriers, &at)) != NULL;) {
                barrier->id[0] = '\0';
                timer_stop(&barrier->patience);
                settle(barrier, &barrier->asked, 500);
                settle(barrier, &barrier->next, 500);
        }
}

void
barrier_free_all(struct edge *edge)
{
        struct barrier *barrier;
        barrier_break(edge);
        for (size_t at = 0; (barrier = map_next(edge->barriers, &at)) != NULL;) {
                map_remove_str(edge->barriers, barrier->local);
                mem_free(barrier->local);
                mem_free(barrier);
        }
}
