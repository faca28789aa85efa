/*
 * route.c - the one way from an address to its owner
 */
#include "xmppd/route/route.h"

#include "shared/base/panic.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route_private.h"
#include "xmppd/route/snapshot.h"

#include <stdio.h>

static struct route_doors doors;

void
route_set_doors(const struct route_doors *all)
{
        doors = *all;
}

static void
refuse_foreign(struct stanza *stanza)
{
        char text[JID_PART_MAX + 80];

        snprintf(text, sizeof(text), "%s is none of this server's domains, and it federates with no other", stanza->to.domain);
        route_error(stanza, REMOTE_SERVER_NOT_FOUND, text);
        stanza_unref(&stanza);
}

static struct worker *
home_in(const struct jid *to, const struct domain *domain)
{
        if (domain == NULL || domain->kind == DOMAIN_COMPONENT)
                return home_of_domain(to->domain);
        /* The server itself has no state: any worker will do, and the one that asks keeps the order. */
        return to->local == NULL ? worker_here() : home_of(to);
}

struct worker *
route_home(const struct jid *to)
{
        return home_in(to, snapshot_domain(to->domain));
}

static void enter_letter(struct letter *letter);

/* What kind of domain it is decides where its home is, and while a reload goes round two workers may see it differently: so the home is looked up
 * again where the letter arrives, and a stanza that came to the wrong one travels on. */
void
route_enter(struct stanza *stanza)
{
        const struct domain *domain = snapshot_domain(stanza->to.domain);
        struct worker *home = home_in(&stanza->to, domain);

        if (!on_home(home)) {
                stanza->letter.open = enter_letter;
                worker_post(home, &stanza->letter);
        } else if (domain == NULL) {
                (doors.to_foreign != NULL ? doors.to_foreign : refuse_foreign)(stanza);
        } else if (domain->kind == DOMAIN_COMPONENT) {
                doors.to_component(stanza);
        } else if (stanza->to.local == NULL) {
                doors.to_server(stanza);
        } else {
                doors.to_account(stanza);
        }
}

static void
enter_letter(struct letter *letter)
{
        route_enter(container_of(letter, struct stanza, letter));
}

void
route(struct stanza *stanza)
{
        must(stanza->to.full != NULL && stanza->from.full != NULL);
        stanza_seal(stanza);
        route_enter(stanza);
}

void
route_result(const struct stanza *iq)
{
        route(stanza_result(iq));
}

void
route_error(const struct stanza *of, enum stanza_condition condition, const char *text)
{
        struct stanza *error = stanza_error(of, condition, text);
        if (error != NULL)
                route(error);
}
