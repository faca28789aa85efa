/*
 * last.c - noted when the last available client of an account has gone
 */
#include "xmppd/user/last.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "xmppd/user/data.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_BYTES = 1100, STATUS_BYTES = 1000 };

static bool
has_available(const struct user *user)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->presence != NULL)
                        return true;
        return false;
}

bool
last_is_there(const struct jid *account)
{
        struct user *user = user_load(account);

        return user != NULL && has_available(user);
}

void
last_note_leave(struct user *user, const struct stanza *unavailable)
{
        const struct element *status = unavailable != NULL ? element_child(unavailable->element, "status", XML_CONTENT_NS) : NULL;
        struct arena *arena = arena_new(256);
        char note[NOTE_BYTES];

        if (!has_available(user)) {
                const char *text = status != NULL ? element_text(status, arena) : "";
                snprintf(note, sizeof(note), "%lld %s", (long long)clock_wall_ms(), strlen(text) <= STATUS_BYTES ? text : "");
                data_note(user, DATA_LAST, note);
                mem_free(user->left);
                user->left = mem_strdup(note);
        }
        arena_free(&arena);
}

bool
last_left(const struct jid *account, int64_t *when, char *status, size_t len)
{
        const struct user *user = user_load(account);
        char note[NOTE_BYTES];
        char *rest;

        if (user != NULL && user->left != NULL)
                snprintf(note, sizeof(note), "%s", user->left);
        else if (!data_read_note(account, DATA_LAST, note, sizeof(note)))
                return false;
        *when = strtoll(note, &rest, 10);
        snprintf(status, len, "%s", *rest == ' ' ? rest + 1 : "");
        return true;
}
