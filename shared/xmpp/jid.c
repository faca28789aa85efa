/*
 * jid.c - XMPP addresses
 *
 * Nearly all addresses are ASCII: one pass over a table checks and lower-cases them. The rest goes through libidn, whose tables are those of
 * the RFC 6122 profiles; unassigned code points pass, since real resources contain emoji. The domain is kept as prepared Unicode: "xn--" labels
 * are decoded, so that both spellings are one address.
 */
#include "shared/xmpp/jid.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <arpa/inet.h>
#include <idn-free.h>
#include <idna.h>
#include <stringprep.h>
#include <string.h>

enum {
        LOCAL = 1,    /* allowed in a localpart */
        DOMAIN = 2,   /* in a domain name */
        RESOURCE = 4, /* in a resource */
        ROOM = 4 * JID_PART_MAX,
};

/* Nodeprep forbids " & ' / : < > @ and the space (RFC 6122, A.5); resources may have every printable character. */
#define ANY_PART (LOCAL | RESOURCE)
#define LETTER   (LOCAL | DOMAIN | RESOURCE)
static const unsigned char allowed[256] = {
        [' '] = RESOURCE,
        ['!'] = ANY_PART,
        ['"'] = RESOURCE,
        ['#' ... '%'] = ANY_PART,
        ['&' ... '\''] = RESOURCE,
        ['(' ... ','] = ANY_PART,
        ['-' ... '.'] = LETTER,
        ['/'] = RESOURCE,
        ['0' ... '9'] = LETTER,
        [':'] = RESOURCE,
        [';'] = ANY_PART,
        ['<'] = RESOURCE,
        ['='] = ANY_PART,
        ['>'] = RESOURCE,
        ['?'] = ANY_PART,
        ['@'] = RESOURCE,
        ['A' ... 'Z'] = LETTER,
        ['[' ... '`'] = ANY_PART,
        ['a' ... 'z'] = LETTER,
        ['{' ... '~'] = ANY_PART,
};

static inline char
to_lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Copies an ASCII part, lower-case if asked; false if something else is in it. */
static bool
prepare_ascii(char *out, const char *text, size_t len, unsigned char part)
{
        unsigned char all = part;
        if (part == RESOURCE) {
                for (size_t i = 0; i < len; i++)
                        all &= allowed[(unsigned char)text[i]];
                memcpy(out, text, len);
        } else {
                for (size_t i = 0; i < len; i++) {
                        all &= allowed[(unsigned char)text[i]];
                        out[i] = to_lower(text[i]);
                }
        }
        out[len] = '\0';
        return all == part;
}

static bool
has_only_ascii(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)text[i] >= 0x80)
                        return false;
        return true;
}

/* Runs a profile; a text that a second run would change again is refused, or equal addresses could have different bytes. */
static bool
run_profile(char *out, const char *text, size_t len, const Stringprep_profile *profile)
{
        char once[ROOM + 1], twice[ROOM + 1];
        if (len > JID_PART_MAX || !text_is_utf8(text, len) || memchr(text, '\0', len) != NULL)
                return false;

        memcpy(once, text, len);
        once[len] = '\0';
        if (stringprep(once, sizeof once, 0, profile) != STRINGPREP_OK)
                return false;
        size_t result = strlen(once);
        if (result == 0 || result > JID_PART_MAX)
                return false;
        memcpy(twice, once, result + 1);
        if (stringprep(twice, sizeof twice, 0, profile) != STRINGPREP_OK || strcmp(once, twice) != 0)
                return false;
        memcpy(out, once, result + 1);
        return true;
}

/* A localpart or resource; out has JID_PART_MAX + 1 bytes. */
static bool
prepare_part(char *out, const char *text, size_t len, unsigned char part)
{
        if (len == 0 || len > JID_PART_MAX)
                return false;
        if (prepare_ascii(out, text, len, part))
                return true;
        if (has_only_ascii(text, len))
                return false;
        return run_profile(out, text, len, part == LOCAL ? stringprep_xmpp_nodeprep : stringprep_xmpp_resourceprep);
}

/* [v6] literals; v4 literals are told by check_labels. */
static bool
prepare_literal(char *out, const char *text, size_t len)
{
        struct in6_addr v6;
        char inner[INET6_ADDRSTRLEN];

        if (len < 4 || len > sizeof inner || text[len - 1] != ']')
                return false;
        memcpy(inner, text + 1, len - 2);
        inner[len - 2] = '\0';
        if (strlen(inner) != len - 2 || inet_pton(AF_INET6, inner, &v6) != 1)
                return false;
        out[0] = '[';
        inet_ntop(AF_INET6, &v6, out + 1, INET6_ADDRSTRLEN);
        strcat(out, "]");
        return true;
}

/* The label rules, on the ASCII form. */
static bool
check_labels(const char *name)
{
        size_t len = strlen(name);
        const char *label = name;

        if (len == 0 || len > 255)
                return false;
        for (const char *c = name;; c++) {
                if (*c != '.' && *c != '\0') {
                        if (!(allowed[(unsigned char)*c] & DOMAIN))
                                return false;
                        continue;
                }
                if (c == label || c - label > 63 || *label == '-')
                        return false;
                if (*c == '\0')
                        break;
                label = c + 1;
        }
        struct in_addr v4;
        if (*label >= '0' && *label <= '9')
                return inet_pton(AF_INET, name, &v4) == 1;
        return true;
}

static bool
has_ace_label(const char *name)
{
        for (const char *at = name; (at = strstr(at, "xn--")) != NULL; at++)
                if (at == name || at[-1] == '.')
                        return true;
        return false;
}

/* Turns the ideographic full stop into the ASCII one, as IDNA wants it; in place. */
static void
replace_dots(char *name)
{
        char *to = name;
        for (const char *from = name; *from != '\0';)
                if (strncmp(from, "\xe3\x80\x82", 3) == 0) {
                        *to++ = '.';
                        from += 3;
                } else {
                        *to++ = *from++;
                }
        *to = '\0';
}

static void
drop_final_dot(char *name)
{
        size_t len = strlen(name);
        if (len > 1 && name[len - 1] == '.')
                name[len - 1] = '\0';
}

/* Names with other characters than ASCII, or with labels that stand for such. */
static bool
prepare_idn(char *out, const char *text, size_t len)
{
        char prepared[JID_PART_MAX + 1], ascii[256];
        char *decoded = NULL;

        if (!run_profile(prepared, text, len, stringprep_nameprep))
                return false;
        replace_dots(prepared);
        drop_final_dot(prepared);
        if (has_ace_label(prepared)) {
                if (idna_to_unicode_8z8z(prepared, &decoded, IDNA_ALLOW_UNASSIGNED) != IDNA_SUCCESS)
                        return false;
                size_t result = strlen(decoded);
                bool fits = result > 0 && result <= JID_PART_MAX && run_profile(prepared, decoded, result, stringprep_nameprep);
                idn_free(decoded);
                if (!fits)
                        return false;
        }
        if (!jid_domain_to_ascii(ascii, prepared) || !check_labels(ascii))
                return false;
        strcpy(out, prepared);
        return true;
}

static bool
prepare_domain(char *out, const char *text, size_t len)
{
        if (len == 0 || len > JID_PART_MAX)
                return false;
        if (text[0] == '[')
                return prepare_literal(out, text, len);
        if (prepare_ascii(out, text, len, DOMAIN)) {
                drop_final_dot(out);
                if (has_ace_label(out))
                        return prepare_idn(out, text, len);
                return check_labels(out);
        }
        return !has_only_ascii(text, len) && prepare_idn(out, text, len);
}

static bool
assemble(struct jid *jid, struct arena *arena, const char *local, size_t local_len, const char *domain, size_t domain_len,
        const char *resource, size_t resource_len)
{
        size_t bare = (local != NULL ? local_len + 1 : 0) + domain_len;
        size_t full = bare + (resource != NULL ? resource_len + 1 : 0);
        size_t size = full + 1 + (local != NULL ? local_len + 1 : 0) + (resource != NULL ? domain_len + 1 : 0);
        char *text = arena_alloc(arena, size), *at = text, *behind = text + full + 1;

        *jid = (struct jid){ .full = text, .bare_len = bare, .full_len = full };
        if (local != NULL) {
                memcpy(at, local, local_len);
                at[local_len] = '@';
                at += local_len + 1;
                memcpy(behind, local, local_len);
                jid->local = behind;
                behind += local_len + 1;
        }
        memcpy(at, domain, domain_len);
        jid->domain = at;
        if (resource != NULL) {
                memcpy(behind, domain, domain_len);
                jid->domain = behind;
                at += domain_len;
                *at++ = '/';
                memcpy(at, resource, resource_len);
                jid->resource = at;
        }
        return true;
}

bool
jid_parse(struct jid *jid, struct arena *arena, const char *text)
{
        return jid_parse_len(jid, arena, text, strlen(text));
}

bool
jid_parse_len(struct jid *jid, struct arena *arena, const char *text, size_t len)
{
        char local[JID_PART_MAX + 1], domain[JID_PART_MAX + 1], resource[JID_PART_MAX + 1];

        *jid = (struct jid){ 0 };
        if (len == 0 || len > 4 * JID_PART_MAX)
                return false;
        const char *end = text + len, *slash = memchr(text, '/', len);
        const char *bare_end = slash != NULL ? slash : end;
        const char *at = memchr(text, '@', (size_t)(bare_end - text));
        const char *host = at != NULL ? at + 1 : text;

        if (at != NULL && !prepare_part(local, text, (size_t)(at - text), LOCAL))
                return false;
        if (!prepare_domain(domain, host, (size_t)(bare_end - host)))
                return false;
        if (slash != NULL && !prepare_part(resource, slash + 1, (size_t)(end - slash - 1), RESOURCE))
                return false;
        return assemble(jid, arena, at != NULL ? local : NULL, at != NULL ? strlen(local) : 0, domain, strlen(domain),
                slash != NULL ? resource : NULL, slash != NULL ? strlen(resource) : 0);
}

bool
jid_make(struct jid *jid, struct arena *arena, const char *local, const char *domain, const char *resource)
{
        size_t local_len = local != NULL ? strlen(local) : 0, domain_len = strlen(domain),
               resource_len = resource != NULL ? strlen(resource) : 0;

        *jid = (struct jid){ 0 };
        if ((local != NULL && local_len == 0) || domain_len == 0 || (resource != NULL && resource_len == 0))
                return false;
        if (local_len > JID_PART_MAX || domain_len > JID_PART_MAX || resource_len > JID_PART_MAX)
                return false;
        return assemble(jid, arena, local, local_len, domain, domain_len, resource, resource_len);
}

bool
jid_of_user(struct jid *jid, struct arena *arena, const char *user, const char *domain)
{
        char prepared[JID_PART_MAX + 1];

        *jid = (struct jid){ 0 };
        return prepare_part(prepared, user, strlen(user), LOCAL) && jid_make(jid, arena, prepared, domain, NULL);
}

struct jid
jid_bare(const struct jid *jid, struct arena *arena)
{
        struct jid bare;
        jid_make(&bare, arena, jid->local, jid->domain, NULL);
        return bare;
}

bool
jid_with_resource(struct jid *out, struct arena *arena, const struct jid *jid, const char *resource)
{
        char prepared[JID_PART_MAX + 1];

        *out = (struct jid){ 0 };
        return prepare_part(prepared, resource, strlen(resource), RESOURCE) &&
                jid_make(out, arena, jid->local, jid->domain, prepared);
}

struct jid
jid_copy(const struct jid *jid, struct arena *arena)
{
        struct jid copy = { 0 };
        if (jid->full != NULL)
                jid_make(&copy, arena, jid->local, jid->domain, jid->resource);
        return copy;
}

bool
jid_equal(const struct jid *a, const struct jid *b)
{
        return a->full_len == b->full_len && a->bare_len == b->bare_len && memcmp(a->full, b->full, a->full_len) == 0;
}

bool
jid_equal_bare(const struct jid *a, const struct jid *b)
{
        return a->bare_len == b->bare_len && memcmp(a->full, b->full, a->bare_len) == 0;
}

bool
jid_is_bare(const struct jid *jid)
{
        return jid->resource == NULL;
}

bool
jid_has_bare(const struct jid *jid, const char *bare, size_t len)
{
        return jid->bare_len == len && memcmp(jid->full, bare, len) == 0;
}

bool
jid_prepare_domain(char *out, const char *text)
{
        return prepare_domain(out, text, strlen(text));
}

bool
jid_domain_to_ascii(char *out, const char *domain)
{
        char *ascii = NULL;
        size_t len = strlen(domain);

        if (has_only_ascii(domain, len)) {
                if (len == 0 || len > 255)
                        return false;
                memcpy(out, domain, len + 1);
                return true;
        }
        if (idna_to_ascii_8z(domain, &ascii, IDNA_ALLOW_UNASSIGNED) != IDNA_SUCCESS)
                return false;
        bool fits = ascii[0] != '\0' && strlen(ascii) <= 255;
        if (fits)
                strcpy(out, ascii);
        idn_free(ascii);
        return fits;
}

/* XEP-0106: what an escape stands for. */
static const struct {
        char c;
        char code[3];
} escapes[] = {
        { ' ', "20" },
        { '"', "22" },
        { '&', "26" },
        { '\'', "27" },
        { '/', "2f" },
        { ':', "3a" },
        { '<', "3c" },
        { '>', "3e" },
        { '@', "40" },
        { '\\', "5c" },
};

/* The character of the escape that begins here, or 0. Nodeprep makes \3A of a foreign name \3a, so both are escapes when one is made. */
static char
find_escaped(const char *text)
{
        if (text[0] != '\\' || text[1] == '\0')
                return 0;
        for (size_t i = 0; i < array_len(escapes); i++)
                if (text[1] == escapes[i].code[0] && to_lower(text[2]) == escapes[i].code[1])
                        return escapes[i].c;
        return 0;
}

char *
jid_escape(struct arena *arena, const char *text)
{
        size_t len = strlen(text), done = 0;

        /* An escaped space may neither begin nor end a localpart. */
        if (len == 0 || len > JID_PART_MAX || text[0] == ' ' || text[len - 1] == ' ')
                return NULL;
        char *out = arena_alloc(arena, 3 * len + 1);
        for (const char *c = text; *c != '\0'; c++) {
                const char *code = NULL;
                for (size_t i = 0; i < array_len(escapes); i++)
                        if (*c == escapes[i].c && (*c != '\\' || find_escaped(c) != 0))
                                code = escapes[i].code;
                if (code == NULL) {
                        out[done++] = *c;
                } else {
                        out[done++] = '\\';
                        out[done++] = code[0];
                        out[done++] = code[1];
                }
        }
        return done <= JID_PART_MAX ? out : NULL;
}

char *
jid_unescape(struct arena *arena, const char *local)
{
        char *out = arena_alloc(arena, strlen(local) + 1);
        size_t done = 0;

        for (const char *c = local; *c != '\0';) {
                char escaped = find_escaped(c);
                bool is_edge = escaped == ' ' && (c == local || c[3] == '\0'); /* 4.1, 6: that is none */
                if (escaped != 0 && !is_edge && c[2] == to_lower(c[2])) {
                        out[done++] = escaped;
                        c += 3;
                } else {
                        out[done++] = *c++;
                }
        }
        return out;
}
