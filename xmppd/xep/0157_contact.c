/*
 * XEP-0157: Contact Addresses for XMPP Services
 *
 * Whom to write to about this server, in its extended information (XEP-0128).
 */
#include "shared/base/mem.h"
#include "shared/xmpp/form.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"

#include <stdio.h>

#define ADDRESSES(name, who)                                                          \
        {                                                                             \
                name, SETTING_LIST, "{ }", LIVE, "Addresses (URIs) of " who ".", NULL \
        }

static const struct setting settings[] = {
        ADDRESSES("abuse", "those who deal with abuse"),
        ADDRESSES("admin", "the administrators"),
        ADDRESSES("feedback", "those who like to hear how it works"),
        ADDRESSES("sales", "the sales people"),
        ADDRESSES("security", "those who deal with security"),
        ADDRESSES("status", "pages that tell whether it works"),
        ADDRESSES("support", "those who help users"),
        { 0 },
};

static void
add_addresses(struct arena *arena, struct element *query)
{
        const struct section *contact = snapshot_section("contact");
        struct element *form = NULL;

        for (const struct setting *setting = settings; setting->name != NULL; setting++) {
                char name[40];
                snprintf(name, sizeof(name), "%s-addresses", setting->name);
                for (size_t i = 0; i < config_list_count(contact, setting->name); i++) {
                        if (form == NULL)
                                form = form_begin(arena, query, "http://jabber.org/network/serverinfo");
                        form_add(arena, form, name, config_list_item(contact, setting->name, i));
                }
        }
}

const struct extension xep_0157_contact = {
        .name = "contact", .xep = 157, .version = "1.1.1", .info = add_addresses, .settings = settings
};
