/*
 * diagnostics.c - the table of known ids
 *
 * MS-OCER lists some hundreds, most of them about matters inside a deployment; these are the ones that a federated partner meets. The sentences are
 * about the partner, as seen from here.
 */
#include "sipcomp/dialect/diagnostics.h"

#include "shared/base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct row {
        unsigned id;
        const char *sentence;
        const char *advice;
};

#define ALLOW_US \
        "The partner's administrator has to allow our domain as a federated one (Lync: New-CsAllowedDomain; OCS: Allow tab of the Access Edge)."
#define ALLOW_HIM \
        "The partner's administrator has to allow federation for this user (an external access policy, or the user's federation setting)."
#define OUR_SRV \
        "The partner's edge looks us up by DNS: _sipfederationtls._tcp of our domain must lead to our routing-fqdn; xmppctl dns-records shows it."

/* ms-diagnostics, ms-diagnostics-public (MS-OCER 7.2, 8.2 and following). */
static const struct row microsoft[] = {
        { 1000, "the partner's server could not verify who asks", NULL },
        { 1001, "the user there may not talk with public IM services", ALLOW_HIM },
        { 1002, "the user there may not talk with federated partners", ALLOW_HIM },
        { 1003, "there is no such user", NULL },
        { 1004, "the partner's edge has forgotten this dialog's route; it begins anew by itself", NULL },
        { 1005, "the partner's edge does not route to the domain that was asked for", ALLOW_US },
        { 1006, "the partner's server lost its own user's connection", NULL },
        { 1007, "the partner's edge cannot route at the moment",
                "It does not reach its own inner servers, or its limits for a new partner are reached." },
        { 1008, "the partner's edge finds no SRV record for a domain", OUR_SRV },
        { 1009, "the partner's edge finds an SRV record that does not fit the domain",
                OUR_SRV " Its host must be in our certificate and, without a rule there, below our domain." },
        { 1010, "the partner's edge does not trust a certificate on the way",
                "Our certificate must name our routing-fqdn, be for servers and clients, and lead to an authority the edge trusts." },
        { 1011, "the server before the partner's edge gave no reason", NULL },
        { 1012, "the user there may not talk with anyone outside", ALLOW_HIM },
        { 1013, "the clocks of the two sides differ too much", "Set the clock (NTP)." },
        { 1014, "the partner's edge finds no address of a host",
                "Our routing-fqdn must have an A record; xmppctl dns-records shows it." },
        { 1017, "the partner's edge does not allow these two domains together",
                ALLOW_US " Is one of the domains in a hybrid deployment? Then it must be the same on both of its sides." },
        { 1027, "the partner's edge does not pass on this kind of request between partners", NULL },
        { 1034, "the partner's edge passed on a refusal without a reason, its own or one of the server behind it", ALLOW_US },
        { 2004, "the user there does not allow this subscription", NULL },
        { 2005, "the partner's server does not know who asks", ALLOW_US },
        { 2139, "a newer subscription of ours took over", NULL },
        { 4003, "the user there may not be reached from outside", ALLOW_HIM },
        { 4005, "the user there is not enabled, or does not exist", NULL },
        { 4006, "the partner's server does not find the user", NULL },
        { 5001, "the partner's server waited in vain for an answer of its own user", NULL },
        { 13008, "the partner's server keeps its reasons to itself", NULL },
        { 17002, "the partner's server does not allow our version of client", "Its client version filter has to let us in." },
};

/* Ms-client-diagnostics: said by the user's own program. */
static const struct row clients[] = {
        { 52035, "the program of the user there takes it for a conversation it knows already", NULL },
};

/* Warning (RFC 3261 20.43), and the one code that Microsoft's filter uses. */
static const struct row warnings[] = {
        { 300, "the network protocol does not fit", NULL },
        { 301, "the format of the network address does not fit", NULL },
        { 302, "the transport protocol does not fit", NULL },
        { 304, "the other side does not take text messages", NULL },
        { 305, "the other side takes none of the formats of text we offer", NULL },
        { 306, "the other side does not understand an attribute of the session", NULL },
        { 307, "the other side does not understand a parameter of the session", NULL },
        { 309, "a content filter of the partner refused it",
                "A filter for links or files on the partner's servers; its administrator can change it." },
        { 370, "the other side has too little bandwidth", NULL },
};

static const struct source {
        const char *header;
        const struct row *rows;
        size_t count;
} sources[] = {
        { "ms-diagnostics-public", microsoft, array_len(microsoft) },
        { "ms-diagnostics", microsoft, array_len(microsoft) },
        { "ms-client-diagnostics", clients, array_len(clients) },
        { "Warning", warnings, array_len(warnings) },
        { "Reason", NULL, 0 },
};

static void
copy_words(char *out, size_t room, const char *from, size_t len)
{
        size_t at = 0;
        for (size_t i = 0; i < len && at + 1 < room; i++)
                if (from[i] != '\\')
                        out[at++] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? ' ' : from[i];
        out[at] = '\0';
}

/* What stands in quotes behind this, or the first quotes at all where name is "". */
static bool
find_quoted(char *out, size_t room, const char *value, const char *name)
{
        const char *at = value;
        size_t len = strlen(name);

        while (len > 0 && *at != '\0' && strncasecmp(at, name, len) != 0)
                at++;
        const char *begin = strchr(at, '"');
        const char *end = begin == NULL ? NULL : strchr(begin + 1, '"');
        if (*at == '\0' || end == NULL)
                return false;
        copy_words(out, room, begin + 1, (size_t)(end - begin - 1));
        return true;
}

static void
read_value(struct diagnostics *found, const struct source *source, const char *value)
{
        bool is_reason = source->rows == NULL, is_warning = source->rows == warnings;
        const char *number = is_reason ? strcasestr(value, "cause=") : value;

        *found = (struct diagnostics){ .header = source->header };
        number = number != NULL && is_reason ? number + strlen("cause=") : number;
        for (size_t i = 0; number != NULL && i < 6 && isdigit((unsigned char)number[i]); i++)
                found->id = found->id * 10 + (unsigned)(number[i] - '0');
        if (!find_quoted(found->said, sizeof found->said, value, is_warning ? "" : is_reason ? "text=" : "reason="))
                copy_words(found->said, sizeof found->said, value, strlen(value));
        for (size_t i = 0; i < source->count; i++) {
                if (source->rows[i].id != found->id)
                        continue;
                found->sentence = source->rows[i].sentence;
                found->advice = source->rows[i].advice;
        }
}

bool
diagnostics_read(struct diagnostics *found, const struct sip_message *message)
{
        bool any = false;

        for (size_t i = 0; i < array_len(sources); i++) {
                const char *value;
                for (size_t at = 0; (value = sip_message_each(message, sources[i].header, &at)) != NULL;) {
                        struct diagnostics one;
                        read_value(&one, &sources[i], value);
                        if (!any || (found->sentence == NULL && one.sentence != NULL))
                                *found = one;
                        any = true;
                }
        }
        return any;
}

char *
diagnostics_text(char *text, size_t room, const struct diagnostics *found)
{
        char id[16] = "";

        if (found->id != 0)
                snprintf(id, sizeof id, " %u", found->id);
        if (found->sentence != NULL)
                snprintf(text, room, "%s%s: %s", found->header, id, found->sentence);
        else
                snprintf(text, room, "%s%s: \"%s\"", found->header, id, found->said);
        return text;
}
