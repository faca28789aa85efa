/*
 * errors.c - stanza errors as SIP statuses
 */
#include "sipcomp/bridge/errors.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"

/* clang-format off */
static const struct {
        const char *condition;
        int status;
} rows[] = {
        { "item-not-found", 404 },
        { "jid-malformed", 404 },
        { "forbidden", 403 },
        { "not-allowed", 403 },
        { "policy-violation", 403 },
        { "not-authorized", 403 },
        { "subscription-required", 403 },
        { "registration-required", 403 },
        { "recipient-unavailable", 480 },
        { "service-unavailable", 480 },
        { "redirect", 480 },
        { "gone", 410 },
        { "not-acceptable", 488 },
        { "bad-request", 400 },
        { "feature-not-implemented", 501 },
        { "resource-constraint", 500 },
        { "internal-server-error", 500 },
        { "remote-server-not-found", 504 },
        { "remote-server-timeout", 504 },
};
/* clang-format on */

int
errors_status(const char *condition)
{
        for (size_t i = 0; i < array_len(rows); i++)
                if (text_equal(rows[i].condition, condition))
                        return rows[i].status;
        return 500;
}

const char *
errors_condition(const struct stanza *stanza)
{
        const struct element *error = element_child(stanza->element, "error", NULL);
        for (struct element *child = error == NULL ? NULL : element_first(error); child != NULL; child = element_next(child))
                if (text_equal(child->ns, NS_STANZA_ERRORS) && !text_equal(child->name, "text"))
                        return child->name;
        return "";
}

const char *
errors_text(const struct stanza *stanza, struct arena *arena)
{
        const struct element *error = element_child(stanza->element, "error", NULL);
        const struct element *text = error == NULL ? NULL : element_child(error, "text", NS_STANZA_ERRORS);
        const char *said = text == NULL ? "" : element_text(text, arena);
        return said[0] == '\0' ? "the message could not be delivered" : said;
}
