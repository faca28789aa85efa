/*
 * mail.c - the translation of addresses at the border
 *
 * The store is asked for each stanza: two look-ups in a map in memory cost less than a cache would that has to hear of every change.
 */
#include "xmppd/user/mail.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/form.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/account.h"
#include "xmppd/user/records.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { LOG_EACH_MS = 1000 };

/* What the settings in force on this worker say. */
static _Thread_local struct {
        uint64_t snapshot;
        bool is_on;
        int64_t change_over; /* wall ms until which the JID is good too */
        uint64_t may_log;    /* worker_now */
} here;

static atomic_uint_fast64_t dropped; /* since the start, all workers */

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

/* Others have it, whatever stands in the accounts. */
static bool
is_elsewhere(const char *name)
{
        const struct domain *domain = snapshot_domain(name);
        const struct section *top = config_top(snapshot_now()->config);

        return (domain != NULL && domain->kind != DOMAIN_LOCAL) || section_titled(top, "xmpp-peer", name) != NULL;
}

bool
mail_is_domain(const char *name)
{
        const struct section *email = snapshot_section("email");

        if (!is_on() || snapshot_domain(name) != NULL || is_elsewhere(name))
                return false;
        for (size_t i = 0; i < config_list_count(email, "domains"); i++)
                if (strcmp(config_list_item(email, "domains", i), name) == 0)
                        return true;
        return account_has_mail_domain(user_store, name);
}

/* Behind this domain are others: another server, or a SIP domain. */
static bool
is_foreign(const char *name)
{
        const struct domain *domain = snapshot_domain(name);

        return domain == NULL || domain->sip;
}

/* ---- who knows whom by which address ---- */

/* Who will read a stanza, for addresses that depend on that. */
struct reader {
        const char *contact; /* bare */
        bool is_presence;
};

/*
 * During the change-over: which address the other side used last, of this worker, which is the home of the foreign domain both ways. An answer has to
 * come from the address that was asked (RFC 6120 8.2.3, 10.3.2.2), and a talk stays with the one it was begun with. A place is overwritten by
 * another pair that falls on it: then the roster decides.
 */
enum { RECENT = 1024, TALK_MS = 3600 * 1000, HANDSHAKE_MS = 2000 /* until the roster has it on disk */ };

static _Thread_local struct recent {
        uint64_t key; /* hash of both and of what it was; the lowest bit: by mail */
        uint64_t at;
} recent[RECENT];

static uint64_t
recent_key(const struct jid *account, const char *contact, bool is_handshake)
{
        char text[2 * JID_MAX + 4];
        int len =
                snprintf(text, sizeof(text), "%c%.*s/%s", is_handshake ? 'h' : 't', (int)account->bare_len, account->full, contact);

        return map_hash(text, (size_t)len) & ~UINT64_C(1);
}

static void
note_recent(const struct jid *account, const char *contact, bool is_handshake, bool by_mail)
{
        uint64_t key = recent_key(account, contact, is_handshake);

        recent[(key >> 1) % RECENT] = (struct recent){ key | by_mail, worker_now() };
}

static bool
find_recent(const struct jid *account, const char *contact, bool is_handshake, bool *by_mail)
{
        uint64_t key = recent_key(account, contact, is_handshake);
        const struct recent *place = &recent[(key >> 1) % RECENT];

        *by_mail = place->key & 1;
        return place->at != 0 && (place->key & ~UINT64_C(1)) == key &&
                worker_now() - place->at < (is_handshake ? HANDSHAKE_MS : TALK_MS);
}

/* What the roster says. False: nothing, there is no relation. */
static bool
find_relation(uint64_t account, const char *contact, bool *by_mail)
{
        unsigned char key[RECORD_KEY];
        const void *value;
        size_t len;

        record_key(key, account, contact);
        if (!store_get(user_store, TABLE_ROSTER, key, sizeof(key), &value, &len))
                return false;
        struct item *item = record_read_item(value, len);
        bool is_one = item != NULL && strcmp(item->jid, contact) == 0 && item->state != SUBSCRIPTION_NONE;
        *by_mail = is_one && item->knows_mail;
        item_free(&item);
        return is_one;
}

static bool
knows_jid(const struct account *account, const struct jid *bare, const struct reader *reader)
{
        bool by_mail;

        if (!changes_over())
                return false;
        if (find_recent(bare, reader->contact, reader->is_presence, &by_mail) ||
                find_relation(account->id, reader->contact, &by_mail) || find_recent(bare, reader->contact, false, &by_mail))
                return !by_mail;
        return false;
}

/* ---- one address ---- */

/* The account's mail address, if it has one that it can appear under. */
static bool
find_mail(struct arena *arena, const struct jid *bare, struct account *account, struct jid *mail)
{
        struct jid owner;

        if (bare->local == NULL || !is_local(bare->domain) || !account_find(user_store, arena, bare, account) ||
                !account_read_mail(mail, arena, account->mail) || jid_equal(mail, bare))
                return false;
        return !is_elsewhere(mail->domain) && account_of_mail(user_store, arena, mail, &owner) && jid_equal(&owner, bare);
}

/* reader NULL: the translation does not depend on that. */
typedef bool translate(struct arena *arena, const struct jid *jid, const struct reader *reader, struct jid *out);

static bool
to_mail(struct arena *arena, const struct jid *jid, const struct reader *reader, struct jid *out)
{
        struct account account;
        struct jid bare, mail;

        if (jid->local == NULL || !is_local(jid->domain))
                return false;
        bare = jid_bare(jid, arena);
        if (!find_mail(arena, &bare, &account, &mail) || (reader != NULL && knows_jid(&account, &bare, reader)))
                return false;
        *out = mail;
        return jid->resource == NULL || jid_with_resource(out, arena, &mail, jid->resource);
}

static bool
to_account(struct arena *arena, const struct jid *jid, const struct reader *reader, struct jid *out)
{
        struct jid bare, account;

        if (jid->local == NULL || (!is_local(jid->domain) && !mail_is_domain(jid->domain)))
                return false;
        bare = jid_bare(jid, arena);
        if (!account_of_mail(user_store, arena, &bare, &account) || jid_equal(&account, &bare))
                return false;
        *out = account;
        return jid->resource == NULL || jid_with_resource(out, arena, &account, jid->resource);
}

bool
mail_is_shown(const struct jid *account, const char *contact_domain)
{
        bool is_shown = false;

        if (is_on() && is_foreign(contact_domain)) {
                struct arena *arena = arena_new(1024);
                struct account found;
                struct jid mail;
                is_shown = find_mail(arena, account, &found, &mail);
                arena_free(&arena);
        }
        return is_shown;
}

/* ---- addresses inside ---- */

/* Whatever the extension: roster items (RFC 6121, XEP-0144), rooms and invitations (XEP-0045), addresses (XEP-0033), forwarded and delayed
 * stanzas (XEP-0297, XEP-0203), ids (XEP-0359), errors (RFC 6120 8.3.1), calls (XEP-0166), publishers (XEP-0060). */
static bool
holds_address(const struct attribute *attribute)
{
        static const char *const names[] = { "jid", "from", "to", "by", "initiator", "responder", "publisher" };

        if (attribute->ns != NULL || strchr(attribute->value, '@') == NULL)
                return false;
        for (size_t i = 0; i < array_len(names); i++)
                if (strcmp(attribute->name, names[i]) == 0)
                        return true;
        return false;
}

/* A form's field of addresses (XEP-0004 3.3): requests to speak in a room and the like. */
static bool
is_address_field(const struct element *element)
{
        const char *type;

        return element_is(element, "field", NS_DATA) && (type = element_attribute(element, "type")) != NULL &&
                strncmp(type, "jid-", 4) == 0;
}

struct walk {
        translate *translated;
        const struct reader *reader;
        struct arena *arena;
        bool changes; /* write the translations into the tree, in this arena; else only see whether there is any */
};

static bool
change_text(const struct walk *walk, const char **text)
{
        struct jid jid, other;

        if (!jid_parse(&jid, walk->arena, *text) || !walk->translated(walk->arena, &jid, walk->reader, &other))
                return false;
        if (walk->changes)
                *text = other.full;
        return true;
}

static bool
change_values(const struct walk *walk, struct element *field)
{
        bool is_any = false;

        for (struct element *value = field->first; value != NULL; value = value->next) {
                struct element *text = value->name != NULL && strcmp(value->name, "value") == 0 ? value->first : NULL;
                if (text == NULL || text->name != NULL || text->next != NULL || memchr(text->text, '@', text->text_len) == NULL)
                        continue;
                if (change_text(walk, &text->text)) {
                        text->text_len = strlen(text->text);
                        is_any = true;
                }
        }
        return is_any;
}

/* Recursion is as deep as the parser lets elements be. */
static bool
walk_tree(const struct walk *walk, struct element *element)
{
        bool is_any = false;

        for (struct element *child = element->first; child != NULL && (walk->changes || !is_any); child = child->next) {
                if (child->name == NULL)
                        continue;
                for (struct attribute *a = child->attributes; a != NULL; a = a->next)
                        is_any |= holds_address(a) && change_text(walk, &a->value);
                is_any |= is_address_field(child) ? change_values(walk, child) : walk_tree(walk, child);
        }
        return is_any;
}

/* A sealed one becomes another over the same payload where only the head differs, over a changed copy where addresses inside do. */
static struct stanza *
rewrite(struct stanza *stanza, const struct jid *from, const struct jid *to, translate *translated, const struct reader *reader)
{
        struct walk walk = { translated, reader, arena_new(1024), false };
        bool is_any = walk_tree(&walk, stanza->element);

        if (!stanza->sealed && stanza->payload == NULL) {
                /* It has just been read, and is still to be changed by others. */
                struct walk change = { translated, reader, stanza->arena, true };
                if (is_any && walk_tree(&change, stanza->element))
                        stanza_changed(stanza);
                if (from != &stanza->from)
                        stanza_set_from(stanza, from);
                if (to != &stanza->to)
                        stanza_set_to(stanza, to);
        } else if (is_any || from != &stanza->from || to != &stanza->to) {
                struct stanza *other = stanza_derive(stanza, from, to);
                if (is_any) {
                        struct element *copy = element_copy(walk.arena, stanza->element);
                        struct buf inside = { 0 };
                        walk.changes = true;
                        walk_tree(&walk, copy);
                        xml_write_inside(&inside, copy);
                        stanza_seal_as(other, buf_data(&inside), inside.len);
                        buf_free(&inside);
                }
                stanza_unref(&stanza);
                stanza = other;
        }
        arena_free(&walk.arena);
        return stanza;
}

/* ---- the border ---- */

static const char *
bare_text(struct arena *arena, const struct jid *jid)
{
        return arena_strndup(arena, jid->full, jid->bare_len);
}

struct stanza *
mail_leave(struct stanza *stanza)
{
        struct jid from;

        if (!is_on())
                return stanza;
        struct arena *arena = arena_new(1024);
        struct reader reader = { bare_text(arena, &stanza->to), stanza->kind == STANZA_PRESENCE };
        bool is_translated = to_mail(arena, &stanza->from, &reader, &from);
        stanza = rewrite(stanza, is_translated ? &from : &stanza->from, &stanza->to, to_mail, &reader);
        arena_free(&arena);
        return stanza;
}

static void
note_use(const struct stanza *stanza, struct arena *arena, const struct jid *account, bool by_mail)
{
        bool is_handshake = stanza->type == PRESENCE_SUBSCRIBE || stanza->type == PRESENCE_SUBSCRIBED;

        if (is_handshake || stanza->kind != STANZA_PRESENCE)
                note_recent(account, bare_text(arena, &stanza->from), is_handshake, by_mail);
}

static void
drop(struct stanza *stanza)
{
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        if (worker_now() >= here.may_log) {
                here.may_log = worker_now() + LOG_EACH_MS;
                log_info(LOG_ABOUT("mail", stanza->to.full),
                        "dropped: from=%s: other servers have to use this user's mail address (email.enabled)", stanza->from.full);
        }
        stanza_unref(&stanza);
}

uint64_t
mail_dropped(void)
{
        return atomic_load_explicit(&dropped, memory_order_relaxed);
}

/* To whom it goes, in `to`; NULL where it goes no further. */
static struct stanza *
take_in(struct stanza *stanza, struct arena *arena, struct jid *to)
{
        struct jid mail;

        stanza->to_mail = to_account(arena, &stanza->to, NULL, to);
        if (!stanza->to_mail && snapshot_domain(stanza->to.domain) == NULL) {
                route_error(stanza, SERVICE_UNAVAILABLE, NULL); /* nobody of this mail domain */
                stanza_unref(&stanza);
                return NULL;
        }
        bool is_old = !stanza->to_mail && to_mail(arena, &stanza->to, NULL, &mail);
        if (is_old && !changes_over()) {
                drop(stanza);
                return NULL;
        }
        if ((is_old || stanza->to_mail) && changes_over())
                note_use(stanza, arena, stanza->to_mail ? to : &stanza->to, stanza->to_mail);
        return stanza;
}

struct stanza *
mail_enter(struct stanza *stanza)
{
        struct jid to;

        if (!is_on())
                return stanza;
        struct arena *arena = arena_new(1024);
        if ((stanza = take_in(stanza, arena, &to)) != NULL)
                stanza = rewrite(stanza, &stanza->from, stanza->to_mail ? &to : &stanza->to, to_account, NULL);
        arena_free(&arena);
        return stanza;
}

struct stanza *
mail_return(struct stanza *error)
{
        struct jid to;

        if (!is_on())
                return error;
        struct arena *arena = arena_new(1024);
        bool is_mail = to_account(arena, &error->to, NULL, &to);
        error = rewrite(error, &error->from, is_mail ? &to : &error->to, to_account, NULL);
        arena_free(&arena);
        return error;
}

bool
mail_find_account(struct arena *arena, const struct jid *address, struct jid *account)
{
        return is_on() && to_account(arena, address, NULL, account);
}

/* An answer to a request comes from the account, which is not who was asked. So the request goes back, and says who is to be asked. */
static void
send_request_on(const struct stanza *request, const struct jid *account)
{
        char text[JID_MAX + 32];

        snprintf(text, sizeof(text), "the address here is %s", account->full);
        route_error(request, REDIRECT, text);
}

bool
mail_redirect(struct stanza *stanza)
{
        struct jid to;

        if (!is_on())
                return false;
        struct arena *arena = arena_new(512);
        bool is_mail = to_account(arena, &stanza->to, NULL, &to);
        if (is_mail) {
                if (stanza_is_request(stanza))
                        send_request_on(stanza, &to);
                else
                        route(stanza_derive(stanza, &stanza->from, &to));
                stanza_unref(&stanza);
        }
        arena_free(&arena);
        return is_mail;
}

void
mail_receive(struct stanza *stanza)
{
        if (mail_redirect(stanza))
                return;
        route_error(stanza, SERVICE_UNAVAILABLE, NULL);
        stanza_unref(&stanza);
}
