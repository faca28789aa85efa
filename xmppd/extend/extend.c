/*
 * extend.c - what the extensions have registered, laid out for use
 *
 * Everything is put in order once at start: an iq finds its handler with one look-up, a hook point is a plain array.
 */
#include "xmppd/extend/extension.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/handler.h"

#include <stdio.h>

enum { HOOKS_MAX = 32, KEY_MAX = 256 };

static const struct extension *const *extensions;
static struct map *handlers; /* "0 NAME NS", the digit being the type -> struct entry */
static struct hook_place {
        const struct hook *hook;
        bool (*is_on)(void); /* NULL: always */
} hooks[HOOK_POINTS][HOOKS_MAX + 1];

/* A handler and whose it is; for as long as the program runs. */
struct entry {
        const struct iq_handler *handler;
        const struct extension *extension;
};

static bool
is_on(const struct extension *extension)
{
        return extension->is_on == NULL || extension->is_on();
}

static size_t
make_key(char key[KEY_MAX], enum stanza_type type, const char *name, const char *ns)
{
        int len = snprintf(key, KEY_MAX, "%d %s %s", type == IQ_SET, name, ns);
        return len < KEY_MAX ? (size_t)len : 0;
}

static void
add_handler(const struct extension *extension, const struct iq_handler *handler)
{
        char key[KEY_MAX];
        size_t len = make_key(key, handler->type, handler->name, handler->ns);
        struct entry *entry = MEM_NEW(entry);

        *entry = (struct entry){ handler, extension };
        must(len > 0);
        must(map_put(handlers, key, len, entry) == NULL);
}

/* What a session holds must be let go when it ends, whatever the settings say by then. */
static void
add_hook(const struct extension *extension, const struct hook *hook)
{
        struct hook_place *at = hooks[hook->point];
        bool is_end = hook->point == HOOK_SESSION_LOST || hook->point == HOOK_SESSION_CLOSE;
        size_t n = 0;

        while (at[n].hook != NULL)
                n++;
        must(n < HOOKS_MAX);
        for (; n > 0 && at[n - 1].hook->order > hook->order; n--)
                at[n] = at[n - 1];
        at[n] = (struct hook_place){ hook, is_end ? NULL : extension->is_on };
}

void
extend_start(const struct extension *const *all)
{
        must(extensions == NULL);
        extensions = all;
        handlers = map_new();
        for (; *all != NULL; all++) {
                if ((*all)->start != NULL)
                        (*all)->start();
                for (const struct iq_handler *handler = (*all)->iqs; handler != NULL && handler->answer != NULL; handler++)
                        add_handler(*all, handler);
                for (const struct hook *hook = (*all)->hooks; hook != NULL && hook->run != NULL; hook++)
                        add_hook(*all, hook);
        }
}

const struct extension *const *
extend_all(void)
{
        return extensions;
}

static void
add_identity(struct arena *arena, struct element *query, const char *category, const char *type)
{
        struct element *identity = element_add(arena, query, "identity", NULL);

        element_set(arena, identity, "category", category);
        element_set(arena, identity, "type", type);
}

void
extend_describe(struct arena *arena, struct element *query, bool of_account)
{
        if (of_account)
                add_identity(arena, query, "account", "registered");
        else
                add_identity(arena, query, "server", "im");
        for (const struct extension *const *all = extensions; *all != NULL; all++) {
                const char *const *feature = of_account ? (*all)->account_features : (*all)->features;
                for (; feature != NULL && *feature != NULL && is_on(*all); feature++)
                        element_set(arena, element_add(arena, query, "feature", NULL), "var", *feature);
        }
        for (const struct extension *const *all = extensions; *all != NULL && !of_account; all++)
                if ((*all)->info != NULL && is_on(*all))
                        (*all)->info(arena, query);
}

bool
extend_answer(struct stanza *iq, int where)
{
        const struct element *payload = stanza_payload(iq);
        char key[KEY_MAX];

        must(stanza_is_request(iq));
        if (payload == NULL)
                return false;
        size_t len = make_key(key, iq->type, payload->name, payload->ns);
        const struct entry *entry = len == 0 ? NULL : map_get(handlers, key, len);
        if (entry == NULL || (entry->handler->where & where) == 0 || !is_on(entry->extension))
                return false;
        handler_note(entry->extension->name);
        entry->handler->answer(iq);
        return true;
}

bool
extend_take(struct session *session, const struct element *element)
{
        for (const struct extension *const *all = extensions; *all != NULL; all++)
                for (const struct nonza_handler *nonza = (*all)->nonzas; nonza != NULL && nonza->take != NULL; nonza++)
                        if (element_is(element, nonza->name, nonza->ns) && is_on(*all)) {
                                nonza->take(session, element);
                                return true;
                        }
        return false;
}

void
extend_offer(struct buf *out)
{
        for (const struct extension *const *all = extensions; *all != NULL; all++)
                if ((*all)->offer != NULL && is_on(*all))
                        (*all)->offer(out);
}

enum verdict
extend_run(enum hook_point point, struct session *session, struct stanza *stanza)
{
        for (const struct hook_place *at = hooks[point]; at->hook != NULL; at++)
                if ((at->is_on == NULL || at->is_on()) && at->hook->run(session, stanza) == STOP)
                        return STOP;
        return PASS;
}
