/*
 * privacy.c - what may pass between an account and an address (XEP-0016, XEP-0191)
 *
 * The one place where this is decided. Whoever has no list pays a look at a pointer. In a list the rules are found by hashing all names that an
 * address has, and the groups it is in, so that a long list costs no more than a short one.
 *
 * To block a contact of a SIP domain works one way only: it sees the user offline and cannot write, while the user still sees it and can write
 * to it. That is so for rules about everything; a rule that names a kind of stanzas means just that.
 */
#include "xmppd/user/privacy.h"

#include "shared/base/panic.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/privacy_private.h"
#include "xmppd/user/subscription.h"

#include <string.h>

static const struct {
        uint8_t bit;        /* in the rules that are about it */
        bool passes_to_sip; /* although a SIP contact is blocked: what the user has asked for, or could ask for */
} kinds[] = {
        [PRIVACY_MESSAGE_IN] = { RULE_MESSAGE, false },
        [PRIVACY_MESSAGE_ERROR_IN] = { RULE_MESSAGE, true },
        [PRIVACY_IQ_IN] = { RULE_IQ, false },
        [PRIVACY_IQ_ANSWER_IN] = { RULE_IQ, true },
        [PRIVACY_PRESENCE_IN] = { RULE_PRESENCE_IN, true },
        [PRIVACY_PRESENCE_OUT] = { RULE_PRESENCE_OUT, false },
        [PRIVACY_SUBSCRIBE_IN] = { RULE_REST, false },
        [PRIVACY_ANSWER_IN] = { RULE_REST, true },
        [PRIVACY_REST_OUT] = { RULE_REST, true },
};

/* XEP-0016, 2: presence notifications are available and unavailable; what concerns subscriptions is not among them. */
static const enum privacy_kind incoming[] = {
        [MESSAGE_NORMAL] = PRIVACY_MESSAGE_IN,
        [MESSAGE_CHAT] = PRIVACY_MESSAGE_IN,
        [MESSAGE_HEADLINE] = PRIVACY_MESSAGE_IN,
        [MESSAGE_GROUPCHAT] = PRIVACY_MESSAGE_IN,
        [MESSAGE_ERROR] = PRIVACY_MESSAGE_ERROR_IN,
        [PRESENCE_AVAILABLE] = PRIVACY_PRESENCE_IN,
        [PRESENCE_UNAVAILABLE] = PRIVACY_PRESENCE_IN,
        [PRESENCE_SUBSCRIBE] = PRIVACY_SUBSCRIBE_IN,
        [PRESENCE_SUBSCRIBED] = PRIVACY_ANSWER_IN,
        [PRESENCE_UNSUBSCRIBE] = PRIVACY_ANSWER_IN,
        [PRESENCE_UNSUBSCRIBED] = PRIVACY_ANSWER_IN,
        [PRESENCE_PROBE] = PRIVACY_PRESENCE_OUT, /* what it asks for */
        [PRESENCE_ERROR] = PRIVACY_ANSWER_IN,
        [IQ_GET] = PRIVACY_IQ_IN,
        [IQ_SET] = PRIVACY_IQ_IN,
        [IQ_RESULT] = PRIVACY_IQ_ANSWER_IN,
        [IQ_ERROR] = PRIVACY_IQ_ANSWER_IN,
};

/* ---- one list ---- */

static const struct rule *
first_about(const struct rule *rule, uint8_t bits)
{
        while (rule != NULL && !(rule->kinds & bits))
                rule = rule->next;
        return rule;
}

static const struct rule *
earlier(const struct rule *a, const struct rule *b)
{
        if (a == NULL || b == NULL)
                return a == NULL ? b : a;
        return a->order < b->order ? a : b;
}

/* 2.1: user@domain/resource, user@domain, domain/resource, domain, and the domains that this one is inside of. */
static const struct rule *
find_for_address(const struct privacy_list *list, const struct jid *jid, uint8_t bits)
{
        if (list->jids == NULL)
                return NULL;
        const struct rule *found = first_about(map_get(list->jids, jid->full, jid->bare_len), bits);
        if (jid->resource == NULL)
                return found;
        found = earlier(found, first_about(map_get(list->jids, jid->full, jid->full_len), bits));
        if (jid->local == NULL)
                return found;
        const char *host = strchr(jid->full, '@') + 1;
        return earlier(found, first_about(map_get(list->jids, host, jid->full_len - (size_t)(host - jid->full)), bits));
}

static const struct rule *
find_for_domain(const struct privacy_list *list, const struct jid *jid, uint8_t bits)
{
        const struct rule *found = NULL;

        if (list->jids == NULL)
                return NULL;
        for (const char *domain = jid->domain; domain != NULL;) {
                found = earlier(found, first_about(map_get_str(list->jids, domain), bits));
                const char *dot = strchr(domain, '.');
                domain = dot != NULL ? dot + 1 : NULL;
        }
        return found;
}

static const struct rule *
find_for_groups(const struct privacy_list *list, const struct item *item, uint8_t bits)
{
        const struct rule *found = NULL;

        if (list->groups == NULL || item == NULL)
                return NULL;
        for (char **group = item->groups; group != NULL && *group != NULL; group++)
                found = earlier(found, first_about(map_get_str(list->groups, *group), bits));
        return found;
}

/* 2.1: "none" are also those who are in no roster. */
static const struct rule *
find_for_subscription(const struct privacy_list *list, const struct item *item, uint8_t bits)
{
        return first_about(list->subscriptions[item != NULL ? item->state & SUBSCRIBED_BOTH : SUBSCRIPTION_NONE], bits);
}

const struct rule *
privacy_list_find(const struct privacy_list *list, const struct jid *jid, const struct item *item, uint8_t bits)
{
        const struct rule *found = first_about(list->anybody, bits);

        found = earlier(found, find_for_address(list, jid, bits));
        found = earlier(found, find_for_domain(list, jid, bits));
        found = earlier(found, find_for_groups(list, item, bits));
        return earlier(found, find_for_subscription(list, item, bits));
}

/* Between the user's own resources nothing is blocked (2.1, note 3), nor between him and his server. */
static bool
is_own(const struct user *user, const struct jid *jid)
{
        return jid_equal_bare(jid, &user->jid) || (jid->local == NULL && strcmp(jid->domain, user->jid.domain) == 0);
}

bool
privacy_is_one_sided(const struct jid *jid)
{
        const struct domain *domain = snapshot_domain(jid->domain);

        return domain != NULL && domain->sip;
}

const struct rule *
privacy_list_denies(
        struct user *user, const struct privacy_list *list, const struct jid *jid, const struct item *item, enum privacy_kind kind)
{
        if (list == NULL || is_own(user, jid))
                return NULL;
        if (item == NULL && list->needs_roster) {
                struct map *roster = roster_of(user);
                item = roster != NULL ? map_get(roster, jid->full, jid->bare_len) : NULL;
        }
        const struct rule *rule = privacy_list_find(list, jid, item, kinds[kind].bit);
        if (rule == NULL || !rule->denies)
                return NULL;
        return rule->kinds == RULE_WHOLE && kinds[kind].passes_to_sip && privacy_is_one_sided(jid) ? NULL : rule;
}

const struct rule *
privacy_list_denies_contact(struct user *user, const struct privacy_list *list, const struct item *item, enum privacy_kind kind)
{
        struct jid jid = item_address(item);

        return privacy_list_denies(user, list, &jid, item, kind);
}

/* ---- an account and its sessions ---- */

const struct privacy_list *
privacy_in_force(const struct user *user, const struct session *session)
{
        return session != NULL && session->active != NULL ? session->active : user->default_list;
}

bool
privacy_denies(struct user *user, const struct session *session, const struct jid *jid, enum privacy_kind kind)
{
        const struct privacy_list *list = privacy_in_force(user, session);

        return list != NULL && privacy_list_denies(user, list, jid, NULL, kind) != NULL;
}

bool
privacy_denies_contact(struct user *user, const struct session *session, const struct item *item, enum privacy_kind kind)
{
        const struct privacy_list *list = privacy_in_force(user, session);

        return list != NULL && privacy_list_denies_contact(user, list, item, kind) != NULL;
}

bool
privacy_hides(struct user *user, const struct jid *who)
{
        if (privacy_denies(user, NULL, who, PRIVACY_PRESENCE_OUT))
                return true;
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->active != NULL && privacy_denies(user, session, who, PRIVACY_PRESENCE_OUT))
                        return true;
        return false;
}

bool
privacy_lets_in(const struct session *session, const struct stanza *stanza)
{
        struct user *user = session->user;

        if (user->lists == NULL || stanza->from.full == NULL)
                return true;
        return !privacy_denies(user, session, &stanza->from, incoming[stanza->type]);
}

bool
privacy_lets_in_account(struct user *user, const struct stanza *stanza)
{
        return stanza->from.full == NULL || !privacy_denies(user, NULL, &stanza->from, incoming[stanza->type]);
}

/* ---- what is told ---- */

/* 2.14: presence and answers are dropped, of the rest its sender is told what he is told of somebody who is not there. */
void
privacy_refuse_incoming(const struct stanza *stanza)
{
        enum privacy_kind kind = incoming[stanza->type];

        if (kind == PRIVACY_MESSAGE_IN || kind == PRIVACY_IQ_IN)
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
}

/* Directed presence is answered here and nowhere else. */
static struct stanza *
make_error(const struct stanza *stanza)
{
        struct stanza *error = stanza_error(stanza, NOT_ACCEPTABLE, NULL);

        if (error != NULL || stanza->type != PRESENCE_AVAILABLE)
                return error;
        error = stanza_new(STANZA_PRESENCE, PRESENCE_ERROR, &stanza->to, &stanza->from);
        if (stanza->id != NULL)
                stanza_set_id(error, stanza->id);
        struct element *element = element_add(error->arena, error->element, "error", NULL);
        element_add(error->arena, element, stanza_condition_name(NOT_ACCEPTABLE), NS_STANZA_ERRORS);
        return error;
}

static void
refuse_outgoing(struct session *session, const struct stanza *stanza, bool is_blocked)
{
        struct stanza *error = make_error(stanza);

        if (error == NULL)
                return;
        struct element *element = element_child(error->element, "error", XML_CONTENT_NS);
        element_set(error->arena, element, "type", "cancel");
        if (is_blocked) /* XEP-0191, 3.3 */
                element_add(error->arena, element, "blocked", NS_BLOCKING_ERRORS);
        session_deliver(session, error); /* it is from an address that route would stop */
        stanza_unref(&error);
}

bool
privacy_stops_outgoing(struct session *session, const struct stanza *stanza)
{
        struct user *user = session->user;
        const struct privacy_list *list = privacy_in_force(user, session);
        bool notifies = stanza->type == PRESENCE_AVAILABLE || stanza->type == PRESENCE_UNAVAILABLE;

        if (list == NULL)
                return false;
        if (stanza->type == PRESENCE_UNSUBSCRIBE || stanza->type == PRESENCE_UNSUBSCRIBED)
                return false; /* ends something, and must reach the roster */
        const struct rule *rule =
                privacy_list_denies(user, list, &stanza->to, NULL, notifies ? PRIVACY_PRESENCE_OUT : PRIVACY_REST_OUT);
        if (rule == NULL)
                return false;
        refuse_outgoing(session, stanza, list == user->default_list && rule_is_block(rule));
        return true;
}
