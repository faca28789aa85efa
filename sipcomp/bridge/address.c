/*
 * address.c - from a SIP URI to a JID and back
 *
 * Only user and host of a URI make an address; port, password, parameters and headers name a way or a device.
 */
#include "sipcomp/bridge/address.h"

#include <string.h>

bool
address_to_jid(struct jid *jid, struct arena *arena, const struct sip_uri *uri, const struct dialect *dialect)
{
        if (uri->scheme == SIP_SCHEME_OTHER || uri->host == NULL || uri->host_is_literal)
                return false;
        if (uri->user == NULL)
                return jid_parse(jid, arena, uri->host) && jid_is_bare(jid) && jid->local == NULL;
        const char *user = sip_uri_decode_user(arena, uri->user);
        char *local = user == NULL || user[0] == '\0' ? NULL : jid_escape(arena, user);
        if (local == NULL)
                return false;
        /* Parsed as a whole, so that the local part is prepared as in every JID of this house. */
        if (!jid_parse(jid, arena, arena_printf(arena, "%s@%s", local, uri->host)) || jid->local == NULL || !jid_is_bare(jid))
                return false;
        if (dialect == NULL)
                return true;
        const char *canonical = address_canonical(arena, dialect, jid->local);
        return canonical == jid->local || jid_make(jid, arena, canonical, jid->domain, NULL);
}

/* user\40gmail.com is what a client makes of an e-mail address; AOL writes user(gmail.com). */
static const char *
mail_name(struct arena *arena, const char *local)
{
        const char *at = strstr(local, "\\40");
        if (at == NULL || at == local || at[3] == '\0' || strchr(at + 3, '\\') != NULL)
                return local;
        return arena_printf(arena, "%.*s(%s)", (int)(at - local), local, at + 3);
}

static const char *
without_spaces(struct arena *arena, const char *local)
{
        if (strstr(local, "\\20") == NULL)
                return local;
        char *out = arena_strdup(arena, local), *to = out;
        for (const char *from = local; *from != '\0';) {
                if (strncmp(from, "\\20", 3) == 0)
                        from += 3;
                else
                        *to++ = *from++;
        }
        *to = '\0';
        return out[0] == '\0' ? local : out;
}

const char *
address_canonical(struct arena *arena, const struct dialect *dialect, const char *local)
{
        if (local == NULL)
                return NULL;
        if (dialect->loose_names) /* nodeprep has taken the case away */
                local = without_spaces(arena, local);
        if (dialect->mail_names)
                local = mail_name(arena, local);
        return local;
}

const char *
address_user(struct arena *arena, const struct jid *jid)
{
        if (jid->local == NULL)
                return "";
        const char *user = jid_unescape(arena, jid->local);
        return sip_uri_encode_user(arena, user == NULL ? jid->local : user);
}

char *
address_to_uri(struct arena *arena, const struct jid *jid)
{
        const char *user = address_user(arena, jid);
        return arena_printf(arena, "sip:%s%s%s", user, user[0] == '\0' ? "" : "@", jid->domain);
}
