/*
 * extend.c - what the extensions have registered, laid out for use
 *
 * Everything is put in order once at start: an iq finds its handler with one look-up, a hook point is a plain array.
 */
#include "xmppd/extend/extension.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <stdio.h>

enum { HOOKS_MAX = 32, KEY_MAX = 256 };

static const struct extension *const *extensions;
static struct map *handlers; /* "0 NAME NS", the digit being the type -> struct iq_handler */
static const struct hook *hooks[HOOK_POINTS][HOOKS_MAX + 1];

static size_t
make_key(char key[KEY_MAX], enum stanza_type type, const char *name, const char *ns)
{
        int len = snprintf(key, KEY_MAX, "%d %s %s", type == IQ_SET, name, ns);
        return len < KEY_MAX ? (size_t)len : 0;
}

static void
add_handler(const struct iq_handler *handler)
{
        char key[KEY_MAX];
        size_t len = make_key(key, handler->type, handler->name, handler->ns);

        must(len > 0);
        must(map_put(handlers, key, len, (void *)handler) == NULL);
}

static void
add_hook(const struct hook *hook)
{
        const struct hook **at = hooks[hook->point];
        size_t n = 0;

        while (at[n] != NULL)
                n++;
        must(n < HOOKS_MAX);
        for (; n > 0 && at[n - 1]->order > hook->order; n--)
                at[n] = at[n - 1];
        at[n] = hook;
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
                        add_handler(handler);
                for (const struct hook *hook = (*all)->hooks; hook != NULL && hook->run != NULL; hook++)
                        add_hook(hook);
        }
}

const struct extension *const *
extend_all(void)
{
        return extensions;
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
        const struct iq_handler *handler = len == 0 ? NULL : map_get(handlers, key, len);
        if (handler == NULL || (handler->where & where) == 0)
                return false;
        handler->answer(iq);
        return true;
}

bool
extend_take(struct session *session, const struct element *element)
{
        for (const struct extension *const *all = extensions; *all != NULL; all++)
                for (const struct nonza_handler *nonza = (*all)->nonzas; nonza != NULL && nonza->take != NULL; nonza++)
                        if (element_is(element, nonza->name, nonza->ns)) {
                                nonza->take(session, element);
                                return true;
                        }
        return false;
}

void
extend_offer(struct buf *out)
{
        for (const struct extension *const *all = extensions; *all != NULL; all++)
                if ((*all)->offer != NULL)
                        (*all)->offer(out);
}

enum verdict
extend_run(enum hook_point point, struct session *session, struct stanza *stanza)
{
        for (const struct hook **at = hooks[point]; *at != NULL; at++)
                if ((*at)->run(session, stanza) == STOP)
                        return STOP;
        return PASS;
}
