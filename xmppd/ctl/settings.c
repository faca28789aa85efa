/*
 * settings.c - the part of xmppd.conf that xmppctl needs
 *
 * Everything else in the file is passed over: whether it is right is for `check` and for the server to say.
 */
#include "shared/config/federation.h"
#include "xmppd/ctl/ctl.h"

#include <stdio.h>

static const struct setting top_settings[] = {
        { "state-dir", SETTING_PATH, "/var/lib/xmppd", AT_START, "", NULL },
        { "control", SETTING_PATH, "/run/xmppd/control.sock", AT_START, "", NULL },
        { "sipcomp-control", SETTING_PATH, "/run/sipcomp/control.sock", AT_START, "", NULL },
        { 0 },
};
static const struct setting store_settings[] = {
        { "map-size", SETTING_NUMBER, "65536", AT_START, "", "16..16777216" },
        { 0 },
};
static const struct setting c2s_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"[::]:5222\" }", AT_START, "", NULL },
        { "listen-tls", SETTING_ADDRESSES, "{ \"[::]:5223\" }", AT_START, "", NULL },
        { "tls", SETTING_CHOICE, "required", AT_START, "", "none|optional|required" },
        { 0 },
};
static const struct setting chat_settings[] = {
        { "aliases", SETTING_DOMAINS, "{ }", LIVE, "", NULL },
        { 0 },
};
static const struct setting email_settings[] = {
        { "enabled", SETTING_BOOL, "false", LIVE, "", NULL },
        { 0 },
};
/* The lower ones: whose domain cannot be that of a mail address. */
static const struct section_rule sections[] = {
        { .name = "store", .settings = store_settings, .loose = true },
        { .name = "c2s", .settings = c2s_settings, .loose = true },
        { .name = "domain", .titled = true, .title_is_domain = true, .loose = true },
        { .name = "email", .settings = email_settings, .loose = true },
        { .name = "component", .titled = true, .title_is_domain = true, .loose = true },
        { .name = "chat", .titled = true, .title_is_domain = true, .settings = chat_settings, .loose = true },
        { .name = "sip-domain", .titled = true, .title_is_domain = true, .loose = true },
        { .name = "xmpp-peer", .titled = true, .title_is_domain = true, .loose = true },
        { 0 },
};
static const struct section_rule file = { .name = "", .settings = top_settings, .inside = sections, .loose = true };

/* For commands about federation. */
static const struct setting hostname_settings[] = {
        { "hostname", SETTING_DOMAIN, "", LIVE, "", NULL },
        { "state-dir", SETTING_PATH, "/var/lib/xmppd", AT_START, "", NULL },
        { "control", SETTING_PATH, "/run/xmppd/control.sock", AT_START, "", NULL },
        { "sipcomp-control", SETTING_PATH, "/run/sipcomp/control.sock", AT_START, "", NULL },
        { 0 },
};
static const struct setting s2s_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"[::]:5269\" }", LIVE, "", NULL },
        { "listen-tls", SETTING_ADDRESSES, "{ }", LIVE, "", NULL },
        { 0 },
};
static const struct section_rule federation_sections[] = {
        { .name = "store", .settings = store_settings, .loose = true },
        { .name = "c2s", .settings = c2s_settings, .loose = true },
        { .name = "s2s", .settings = s2s_settings, .loose = true },
        { .name = "domain", .titled = true, .title_is_domain = true, .loose = true },
        { .name = "component", .titled = true, .title_is_domain = true, .loose = true },
        { .name = "chat", .titled = true, .title_is_domain = true, .settings = chat_settings, .loose = true },
        FEDERATION_SECTIONS,
        { 0 },
};
static const struct section_rule federation_file = {
        .name = "", .settings = hostname_settings, .inside = federation_sections, .loose = true
};

static bool
read_file(struct ctl *ctl, const struct section_rule *rules)
{
        struct buf errors = { 0 }, warnings = { 0 };

        config_unref(&ctl->config);
        ctl->config = config_read(ctl->file, rules, NULL, &errors, &warnings);
        if (ctl->config != NULL)
                ctl->top = config_top(ctl->config);
        else
                fputs(buf_text(&errors), stderr);
        buf_free(&errors);
        buf_free(&warnings);
        return ctl->config != NULL;
}

bool
ctl_read_settings(struct ctl *ctl)
{
        return read_file(ctl, &file);
}

bool
ctl_read_federation(struct ctl *ctl)
{
        return read_file(ctl, &federation_file);
}

const char *
ctl_state_dir(const struct ctl *ctl)
{
        return config_text(ctl->top, "state-dir");
}

bool
ctl_has_domain(const struct ctl *ctl, const char *domain)
{
        return section_titled(ctl->top, "domain", domain) != NULL;
}
