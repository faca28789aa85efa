/*
 * mail.c - e-mail addresses for federation
 */
#include "xmppd/user/mail.h"

struct stanza *
mail_leave(struct stanza *stanza)
{
        return stanza;
}

struct stanza *
mail_enter(struct stanza *stanza)
{
        return stanza;
}

bool
mail_is_domain(const char *domain)
{
        return false;
}
