/*
 * mail.c - the translation of addresses at the border
 *
 * The store is asked for each stanza: two look-ups in a map in memory cost less than a cache would that has to hear of every change.
 */
#include "xmppd/user/mail.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "shared/xml/writer.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/account.h"
#include "xmppd/user/records.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>

enum { LOG_EACH_MS = 1000 };

/* What the settings in force on this worker say. */
static _Thread_local struct {
        uint64_t snapshot;
        bool is_on;
        int64_t change_over; /* wall ms until which the JID is good too */
        uint64_t may_log;    /* worker_now */
} here;

static bool
is_on(void)
{
        if (here.snapshot != snapshot_now()->number) {
                const struct section *email = snapshot_section("email");
                char text[CLOCK_TEXT];
                here.snapshot = snapshot_now()->number;
                here.is_on = config_bool(email, "enabled");
                snprintf(text, sizeof(text), "%.10sT23:59:59Z", config_text(email, "change-over"));
                if (!clock_parse(&here.change_over, text))
                        here.change_over = 0;
        }
        return here.is_on;
}

static bool
changes_over(void)
{
        return here.change_over > clock_wall_ms();
}

static bool
is_local(const char *name)
{
        const struct domain *domain = snapshot_domain(name);

        return domain != NULL && domain->kind == DOMAIN_LOCAL;
}

bool
mail_is_domain(const char *name)
{
        const struct section *email = snapshot_section("email");

        if (!is_on() || snapshot_domain(name) != NULL)
                return false;
        for (size_t i = 0; i < config_list_count(email, "domains"); i++)
                if (strcmp(config_list_item(email, "domains", i), name) == 0)
                        return true;
        return account_has_mail_domain(user_store, name);
}

/* ---- who knows whom by which address ---- */

static bool
is_noted(int table, uint64_t account, const char *contact)
{
        unsigned char key[RECORD_KEY];
        const void *value;
        size_t len;

        record_key(key, account, contact);
        return store_get(user_store, table, key, sizeof(key), &value, &len);
}

static void
note_knows_mail(uint64_t account, const char *contact)
{
        unsigned char key[RECORD_KEY];

        if (is_noted(TABLE_MAIL_KNOWN, account, contact))
                return;
        record_key(key, account, contact);
        struct batch *batch = batch_new(user_store);
        batch_put(batch, TABLE_MAIL_KNOWN, key, sizeof(key), "1", 1);
        batch_commit(batch, NULL, NULL);
}

/* A contact from before: it has the JID in its roster. */
static bool
knows_jid(uint64_t account, const char *contact)
{
        return changes_over() && is_noted(TABLE_ROSTER, account, contact) && !is_noted(TABLE_MAIL_KNOWN, account, contact);
}

/* ---- one address ---- */

/* contact: the bare address of who will read it, NULL: the translation does not depend on that. */
typedef bool translate(struct arena *arena, const struct jid *jid, const char *contact, struct jid *out);

static bool
to_mail(struct arena *arena, const struct jid *jid, const char *contact, struct jid *out)
{
        struct account account;
        struct jid bare, mail, owner;

        if (jid->local == NULL || !is_local(jid->domain))
                return false;
        bare = jid_bare(jid, arena);
        if (!account_find(user_store, arena, &bare, &account) || !account_read_mail(&mail, arena, account.mail) ||
                jid_equal(&mail, &bare) || !account_of_mail(user_store, arena, &mail, &owner) || !jid_equal(&owner, &bare))
                return false;
        if (contact != NULL && knows_jid(account.id, contact))
                return false;
        *out = mail;
        return jid->resource == NULL || jid_with_resource(out, arena, &mail, jid->resource);
}

static bool
to_account(struct arena *arena, const struct jid *jid, const char *contact, struct jid *out)
{
        struct jid bare, account;

        if (jid->local == NULL || (!is_local(jid->domain) && !mail_is_domain(jid->domain)))
                return false;
        bare = jid_bare(jid, arena);
        if (!account_of_mail(user_store, arena, &bare, &account))
                return false;
        *out = account;
        return jid->resource == NULL || jid_with_resource(out, arena, &account, jid->resource);
}

/* ---- addresses inside ---- */

static bool
holds_address(const struct attribute *attribute)
{
        static const char *const names[] = { "jid", "from", "to", "by" };

        if (attribute->ns != NULL || strchr(attribute->value, '@') == NULL)
                return false;
        for (size_t i = 0; i < array_len(names); i++)
                if (strcmp(attribute->name, names[i]) == 0)
                        return true;
        return false;
}

/* change: write the translations into the tree; else only see whether there is any. Recursion is as deep as the parser lets elements be. */
static bool
walk(struct element *element, struct arena *arena, translate *translated, const char *contact, bool change)
{
        bool is_any = false;

        for (struct element *child = element->first; child != NULL && (change || !is_any); child = child->next) {
                struct jid jid, other;
                if (child->name == NULL)
                        continue;
                for (struct attribute *a = child->attributes; a != NULL; a = a->next) {
                        if (!holds_address(a) || !jid_parse(&jid, arena, a->value) || !translated(arena, &jid, contact, &other))
                                continue;
                        is_any = true;
                        if (change)
                                a->value = other.full;
                }
                is_any |= walk(child, arena, translated, contact, change);
        }
        return is_any;
}

/* A sealed one becomes another over the same payload where only the head differs, over a changed copy where addresses inside do. */
static struct stanza *
rewrite(struct stanza *stanza, const struct jid *from, const struct jid *to, translate *translated, const char *contact)
{
        struct arena *arena = arena_new(1024);
        bool is_any = walk(stanza->element, arena, translated, contact, false);

        if (!stanza->sealed && stanza->payload == NULL) {
                /* It has just been read, and is still to be changed by others. */
                if (is_any && walk(stanza->element, stanza->arena, translated, contact, true))
                        stanza_changed(stanza);
                if (from != &stanza->from)
                        stanza_set_from(stanza, from);
                if (to != &stanza->to)
                        stanza_set_to(stanza, to);
        } else if (is_any || from != &stanza->from || to != &stanza->to) {
                struct stanza *other = stanza_derive(stanza, from, to);
                if (is_any) {
                        struct element *copy = element_copy(arena, stanza->element);
                        struct buf inside = { 0 };
                        walk(copy, arena, translated, contact, true);
                        xml_write_inside(&inside, copy);
                        stanza_seal_as(other, buf_data(&inside), inside.len);
                        buf_free(&inside);
                }
                stanza_unref(&stanza);
                stanza = other;
        }
        arena_free(&arena);
        return stanza;
}

/* ---- the border ---- */

static void
note_new_contact(const struct stanza *stanza, struct arena *arena, const char *contact)
{
        struct jid bare = jid_bare(&stanza->from, arena);
        uint64_t id = account_id(user_store, &bare);

        if (id != 0 && !is_noted(TABLE_ROSTER, id, contact))
                note_knows_mail(id, contact);
}

struct stanza *
mail_leave(struct stanza *stanza)
{
        struct jid from;

        if (!is_on())
                return stanza;
        struct arena *arena = arena_new(1024);
        const char *contact = arena_strndup(arena, stanza->to.full, stanza->to.bare_len);
        if (changes_over() && stanza->type == PRESENCE_SUBSCRIBE)
                note_new_contact(stanza, arena, contact);
        bool is_translated = to_mail(arena, &stanza->from, contact, &from);
        stanza = rewrite(stanza, is_translated ? &from : &stanza->from, &stanza->to, to_mail, contact);
        arena_free(&arena);
        return stanza;
}

/* The JID of somebody who has a mail address: it is no longer good. */
static bool
is_to_be_dropped(const struct stanza *stanza, struct arena *arena)
{
        struct jid mail;

        return !changes_over() && to_mail(arena, &stanza->to, NULL, &mail);
}

static void
log_dropped(const struct stanza *stanza)
{
        if (worker_now() < here.may_log)
                return;
        here.may_log = worker_now() + LOG_EACH_MS;
        log_info(LOG_ABOUT("mail", stanza->to.full),
                "dropped: from=%s: other servers have to use this user's mail address (email.enabled)", stanza->from.full);
}

struct stanza *
mail_enter(struct stanza *stanza)
{
        struct jid to;

        if (!is_on())
                return stanza;
        struct arena *arena = arena_new(1024);
        bool is_translated = to_account(arena, &stanza->to, NULL, &to);
        if (is_translated && changes_over()) {
                struct jid bare = jid_bare(&to, arena);
                note_knows_mail(account_id(user_store, &bare), arena_strndup(arena, stanza->from.full, stanza->from.bare_len));
        }
        if (is_translated) {
                stanza = rewrite(stanza, &stanza->from, &to, to_account, NULL);
        } else if (snapshot_domain(stanza->to.domain) == NULL) {
                route_error(stanza, SERVICE_UNAVAILABLE, NULL); /* nobody of this mail domain */
                stanza_unref(&stanza);
        } else if (is_to_be_dropped(stanza, arena)) {
                log_dropped(stanza);
                stanza_unref(&stanza);
        } else {
                stanza = rewrite(stanza, &stanza->from, &stanza->to, to_account, NULL);
        }
        arena_free(&arena);
        return stanza;
}

void
mail_receive(struct stanza *stanza)
{
        struct arena *arena = arena_new(512);
        struct jid to;

        if (to_account(arena, &stanza->to, NULL, &to))
                route(stanza_derive(stanza, &stanza->from, &to));
        else
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
        stanza_unref(&stanza);
        arena_free(&arena);
}
