/*
 * uri.c - SIP URIs, addresses in headers and their parameters, from raw text
 *
 * libosip2's URI parser is not used: its user part is already decoded (`a%00b` comes out as `a`), it takes a second '@' into the host, and
 * printing its result changes signed parameters.
 */
#include "sipcomp/sip/uri.h"

#include "shared/base/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { COMPARE_MAX = 2048 };

static bool
is_alnum(unsigned char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_token_byte(unsigned char c)
{
        return is_alnum(c) || (c != '\0' && strchr("-.!%*_+`'~", c) != NULL);
}

static bool
is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static int
hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The byte that %XX at this place stands for; -1: no escape. The text is terminated. */
static int
escaped_byte(const char *at)
{
        int high = at[0] == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        return low >= 0 ? high * 16 + low : -1;
}

/* No byte that may stand in no part of a URI, and no '%' that begins no escape. */
static bool
has_uri_bytes_only(const char *text)
{
        for (; *text != '\0'; text++) {
                unsigned char c = (unsigned char)*text;
                if (c <= ' ' || c >= 0x7f || strchr("<>\"\\^`{|}", c) != NULL || (c == '%' && escaped_byte(text) < 0))
                        return false;
        }
        return true;
}

static bool
read_port(struct sip_uri *uri, const char *digits, size_t len)
{
        unsigned port = 0;
        if (len == 0 || len > 5)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (digits[i] < '0' || digits[i] > '9')
                        return false;
                port = port * 10 + (unsigned)(digits[i] - '0');
        }
        if (port == 0 || port > 65535)
                return false;
        uri->port = (uint16_t)port;
        return true;
}

/* Letters, digits, hyphens, dots; labels that are not empty. */
static bool
is_host_name(const char *host, size_t len)
{
        if (len == 0 || len > 255)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (!is_alnum((unsigned char)host[i]) && host[i] != '-' && host[i] != '.')
                        return false;
                if (host[i] == '.' && (i == 0 || host[i - 1] == '.'))
                        return false;
        }
        return true;
}

static char *
lower_copy(struct arena *arena, const char *text, size_t len)
{
        char *copy = arena_strndup(arena, text, len);
        for (char *at = copy; *at != '\0'; at++)
                if (*at >= 'A' && *at <= 'Z')
                        *at += 'a' - 'A';
        return copy;
}

static bool
read_host(struct sip_uri *uri, struct arena *arena, const char *text, size_t len)
{
        struct in_addr v4;
        struct in6_addr v6;

        if (len > 0 && text[0] == '[') {
                const char *close = memchr(text, ']', len);
                if (close == NULL)
                        return false;
                uri->host = lower_copy(arena, text + 1, (size_t)(close - text) - 1);
                uri->host_is_literal = true;
                size_t rest = len - (size_t)(close - text) - 1;
                return inet_pton(AF_INET6, uri->host, &v6) == 1 &&
                        (rest == 0 || (close[1] == ':' && read_port(uri, close + 2, rest - 1)));
        }
        const char *colon = memchr(text, ':', len);
        size_t host_len = colon != NULL ? (size_t)(colon - text) : len;
        if (colon != NULL && !read_port(uri, colon + 1, len - host_len - 1))
                return false;
        if (!is_host_name(text, host_len))
                return false;
        if (text[host_len - 1] == '.')
                host_len--;
        uri->host = lower_copy(arena, text, host_len);
        uri->host_is_literal = inet_pton(AF_INET, uri->host, &v4) == 1;
        return true;
}

bool
sip_uri_parse(struct sip_uri *uri, struct arena *arena, const char *text, size_t len)
{
        *uri = (struct sip_uri){ .scheme = SIP_SCHEME_OTHER };
        if (memchr(text, '\0', len) != NULL)
                return false;
        char *copy = arena_strndup(arena, text, len);
        char *colon = strchr(copy, ':');
        if (colon == NULL || colon == copy || !is_alnum((unsigned char)copy[0]))
                return false;
        for (char *at = copy; at < colon; at++)
                if (!is_alnum((unsigned char)*at) && strchr("+-.", *at) == NULL)
                        return false;
        if (!has_uri_bytes_only(copy))
                return false;
        uri->text = copy;
        size_t scheme_len = (size_t)(colon - copy);
        if (scheme_len == 3 && strncasecmp(copy, "sip", 3) == 0)
                uri->scheme = SIP_SCHEME_SIP;
        else if (scheme_len == 4 && strncasecmp(copy, "sips", 4) == 0)
                uri->scheme = SIP_SCHEME_SIPS;
        else
                return colon[1] != '\0';

        const char *host = colon + 1, *at_sign = strchr(host, '@');
        if (at_sign != NULL) {
                const char *user = host, *password = memchr(user, ':', (size_t)(at_sign - user));
                size_t user_len = (size_t)((password != NULL ? password : at_sign) - user);
                if (user_len == 0 || memchr(user, '[', user_len) != NULL)
                        return false;
                uri->user = arena_strndup(arena, user, user_len);
                host = at_sign + 1;
        }
        size_t host_len = strcspn(host, ";?");
        const char *rest = host + host_len;
        if (*rest == ';') {
                size_t parameters_len = strcspn(rest + 1, "?");
                uri->parameters = arena_strndup(arena, rest + 1, parameters_len);
                if (strchr(uri->parameters, '@') != NULL)
                        return false;
                rest += 1 + parameters_len;
        }
        if (*rest == '?')
                uri->headers = rest + 1;
        return read_host(uri, arena, host, host_len);
}

const char *
sip_uri_decode_user(struct arena *arena, const char *user)
{
        char *decoded = arena_alloc(arena, strlen(user) + 1), *out = decoded;
        for (const char *at = user; *at != '\0'; at++) {
                int byte = escaped_byte(at);
                if (byte >= 0)
                        at += 2;
                else if (*at == '%')
                        return NULL;
                else
                        byte = (unsigned char)*at;
                if (byte < ' ' || byte == 0x7f)
                        return NULL;
                *out++ = (char)byte;
        }
        *out = '\0';
        if (!text_is_utf8(decoded, (size_t)(out - decoded)))
                return NULL;
        /* U+0080 to U+009F are control characters too. */
        for (const char *at = decoded; *at != '\0'; at++)
                if ((unsigned char)at[0] == 0xc2 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] <= 0x9f)
                        return NULL;
        return decoded;
}

const char *
sip_uri_encode_user(struct arena *arena, const char *user)
{
        static const char digits[] = "0123456789ABCDEF";
        char *encoded = arena_alloc(arena, strlen(user) * 3 + 1), *out = encoded;
        for (const char *at = user; *at != '\0'; at++) {
                unsigned char c = (unsigned char)*at;
                if (is_alnum(c) || strchr("-_.!~*'()&=+$,;?/", c) != NULL) {
                        *out++ = (char)c;
                } else {
                        *out++ = '%';
                        *out++ = digits[c >> 4];
                        *out++ = digits[c & 15];
                }
        }
        *out = '\0';
        return encoded;
}

/* One unit of a URI text for comparison: escapes of bytes that are not reserved mean the byte. Returns how many bytes were read. */
static size_t
next_unit(const char *at, bool nocase, int *unit)
{
        int byte = escaped_byte(at);
        size_t used = 1;
        if (byte >= 0) {
                used = 3;
                if (byte == 0 || strchr(";/?:@&=+$,", byte) != NULL)
                        byte += 256;
        } else {
                byte = (unsigned char)*at;
        }
        if (nocase && byte >= 'A' && byte <= 'Z')
                byte += 'a' - 'A';
        *unit = byte;
        return used;
}

static bool
equal_part(const char *a, size_t a_len, const char *b, size_t b_len, bool nocase)
{
        const char *a_end = a + a_len, *b_end = b + b_len;
        while (a < a_end && b < b_end) {
                int x, y;
                a += next_unit(a, nocase, &x);
                b += next_unit(b, nocase, &y);
                if (x != y)
                        return false;
        }
        return a == a_end && b == b_end;
}

/* One `name=value` of a list divided by this byte. */
struct pair {
        const char *name, *value;
        size_t name_len, value_len;
};

static const char *
next_pair(const char *at, char divider, struct pair *pair)
{
        while (*at == divider)
                at++;
        if (*at == '\0')
                return NULL;
        const char *end = strchrnul(at, divider), *equals = memchr(at, '=', (size_t)(end - at));
        pair->name = at;
        pair->name_len = (size_t)((equals != NULL ? equals : end) - at);
        pair->value = equals != NULL ? equals + 1 : "";
        pair->value_len = equals != NULL ? (size_t)(end - equals) - 1 : 0;
        return end;
}

static bool
find_pair(const char *list, char divider, const struct pair *wanted, struct pair *found)
{
        for (const char *at = list; at != NULL && (at = next_pair(at, divider, found)) != NULL;)
                if (equal_part(found->name, found->name_len, wanted->name, wanted->name_len, true))
                        return true;
        return false;
}

/* Parameters that make a difference even when only one side has them (19.1.4). */
static bool
always_counts(const struct pair *pair)
{
        static const char *const names[] = { "user", "ttl", "method", "maddr", "transport" };
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (equal_part(pair->name, pair->name_len, names[i], strlen(names[i]), true))
                        return true;
        return false;
}

static bool
fits_parameters(const char *mine, const char *theirs)
{
        struct pair pair, other;
        for (const char *at = mine; at != NULL && (at = next_pair(at, ';', &pair)) != NULL;) {
                if (!find_pair(theirs, ';', &pair, &other)) {
                        if (always_counts(&pair))
                                return false;
                } else if (!equal_part(pair.value, pair.value_len, other.value, other.value_len, true)) {
                        return false;
                }
        }
        return true;
}

static bool
fits_headers(const char *mine, const char *theirs)
{
        struct pair pair, other;
        for (const char *at = mine; at != NULL && (at = next_pair(at, '&', &pair)) != NULL;)
                if (!find_pair(theirs, '&', &pair, &other) ||
                        !equal_part(pair.value, pair.value_len, other.value, other.value_len, false))
                        return false;
        return true;
}

/* The password counts, but it is not kept: it is what stands between user and '@'. */
static const char *
userinfo_of(const struct sip_uri *uri, size_t *len)
{
        const char *start = strchr(uri->text, ':') + 1, *end = strchr(start, '@');
        *len = end != NULL ? (size_t)(end - start) : 0;
        return start;
}

bool
sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
        if (a->scheme != b->scheme)
                return false;
        /* Comparing parameters costs the product of their numbers, so what is unreasonably long has to be the same. */
        if (a->scheme == SIP_SCHEME_OTHER || strlen(a->text) > COMPARE_MAX || strlen(b->text) > COMPARE_MAX)
                return text_equal(a->text, b->text);
        size_t a_len, b_len;
        const char *a_user = userinfo_of(a, &a_len), *b_user = userinfo_of(b, &b_len);
        return equal_part(a_user, a_len, b_user, b_len, false) && strcmp(a->host, b->host) == 0 && a->port == b->port &&
                fits_parameters(a->parameters, b->parameters) && fits_parameters(b->parameters, a->parameters) &&
                fits_headers(a->headers, b->headers) && fits_headers(b->headers, a->headers);
}

/* --- parameters and addresses of headers */

static const char *
skip_blanks(const char *at)
{
        while (is_blank(*at))
                at++;
        return at;
}

/* Behind the closing quote of the quoted string that begins here; NULL if it is not closed. */
static const char *
skip_quoted(const char *at)
{
        for (at++; *at != '\0'; at++) {
                if (*at == '"')
                        return at + 1;
                if (*at == '\\' && *++at == '\0')
                        break;
        }
        return NULL;
}

static char *
unquote(struct arena *arena, const char *quoted, const char *end)
{
        char *text = arena_alloc(arena, (size_t)(end - quoted)), *out = text;
        for (const char *at = quoted + 1; at < end - 1; at++) {
                if (*at == '\\' && at + 1 < end - 1)
                        at++;
                *out++ = *at;
        }
        *out = '\0';
        return text;
}

/* `;name`, `;name=token`, `; name = "quoted"`. Returns 1 and what follows, 0 at the end, -1 when it is none of these. */
static int
next_parameter(const char **at, struct pair *pair)
{
        const char *p = skip_blanks(*at);
        while (*p == ';')
                p = skip_blanks(p + 1);
        if (*p == '\0')
                return 0;
        *pair = (struct pair){ .name = p };
        while (is_token_byte((unsigned char)*p) || *p == '[' || *p == ']' || *p == '/' || *p == ':' || *p == '&' || *p == '$')
                p++;
        pair->name_len = (size_t)(p - pair->name);
        if (pair->name_len == 0)
                return -1;
        p = skip_blanks(p);
        if (*p == '=') {
                p = skip_blanks(p + 1);
                pair->value = p;
                if (*p == '"') {
                        p = skip_quoted(p);
                        if (p == NULL)
                                return -1;
                } else {
                        while (*p != '\0' && *p != ';' && !is_blank(*p) && strchr(",<>\"", *p) == NULL)
                                p++;
                }
                pair->value_len = (size_t)(p - pair->value);
                if (pair->value_len == 0)
                        return -1;
                p = skip_blanks(p);
        }
        if (*p != ';' && *p != '\0')
                return -1;
        *at = p;
        return 1;
}

bool
sip_parameter(struct arena *arena, const char *parameters, const char *name, const char **value)
{
        struct pair pair;
        size_t len = strlen(name);

        if (value != NULL)
                *value = NULL;
        while (parameters != NULL && next_parameter(&parameters, &pair) > 0) {
                if (pair.name_len != len || strncasecmp(pair.name, name, len) != 0)
                        continue;
                if (value != NULL && pair.value != NULL)
                        *value = *pair.value == '"' ? unquote(arena, pair.value, pair.value + pair.value_len)
                                                    : arena_strndup(arena, pair.value, pair.value_len);
                return true;
        }
        return false;
}

/* All parameters are well-formed and `tag` is there at most once. */
static bool
read_parameters(struct sip_address *address, struct arena *arena, const char *text)
{
        struct pair pair;
        const char *at = text;
        int found;

        address->parameters = *text == ';' ? skip_blanks(text + 1) : NULL;
        while ((found = next_parameter(&at, &pair)) > 0) {
                if (pair.name_len != 3 || strncasecmp(pair.name, "tag", 3) != 0)
                        continue;
                if (address->tag != NULL || pair.value == NULL || *pair.value == '"')
                        return false;
                address->tag = arena_strndup(arena, pair.value, pair.value_len);
        }
        return found == 0;
}

/* Display name before '<'. Returns where '<' stands, or NULL. */
static const char *
read_display(struct sip_address *address, struct arena *arena, const char *text)
{
        const char *display, *at;
        if (*text == '"') {
                at = skip_quoted(text);
                if (at == NULL)
                        return NULL;
                display = unquote(arena, text, at);
                at = skip_blanks(at);
        } else {
                for (at = text; is_token_byte((unsigned char)*at) || is_blank(*at) || (unsigned char)*at >= 0x80; at++)
                        ;
                const char *end = at;
                while (end > text && is_blank(end[-1]))
                        end--;
                display = arena_strndup(arena, text, (size_t)(end - text));
        }
        if (*at != '<')
                return NULL;
        if (*display != '\0' && text_is_utf8(display, strlen(display)))
                address->display = display;
        return at;
}

bool
sip_address_parse(struct sip_address *address, struct arena *arena, const char *text, size_t len)
{
        *address = (struct sip_address){ 0 };
        while (len > 0 && is_blank(*text)) {
                text++;
                len--;
        }
        while (len > 0 && is_blank(text[len - 1]))
                len--;
        if (len == 0 || memchr(text, '\0', len) != NULL)
                return false;
        const char *copy = arena_strndup(arena, text, len);
        address->text = copy;
        if (strcmp(copy, "*") == 0) {
                address->star = true;
                return true;
        }
        /* Brackets: `Bob <sip:...>`. A name that is no display name (with '<' behind it) is no URI either. */
        const char *open = read_display(address, arena, copy);
        if (open != NULL) {
                const char *close = strchr(open, '>');
                if (close == NULL)
                        return false;
                const char *rest = skip_blanks(close + 1);
                return sip_uri_parse(&address->uri, arena, open + 1, (size_t)(close - open) - 1) &&
                        (*rest == ';' || *rest == '\0') && read_parameters(address, arena, rest);
        }
        address->display = NULL;
        size_t uri_len = strcspn(copy, "; \t,<>?\"");
        const char *rest = skip_blanks(copy + uri_len);
        return sip_uri_parse(&address->uri, arena, copy, uri_len) && (*rest == ';' || *rest == '\0') &&
                read_parameters(address, arena, rest);
}

const char *
sip_list_next(const char **at, size_t *len)
{
        const char *start = *at;
        if (start == NULL)
                return NULL;
        start = skip_blanks(start);
        const char *p = start;
        unsigned depth = 0;
        bool bracket = false;
        for (; *p != '\0'; p++) {
                if (*p == '"' && !bracket && depth == 0) {
                        const char *end = skip_quoted(p);
                        if (end == NULL) {
                                p += strlen(p);
                                break;
                        }
                        p = end - 1;
                } else if (*p == '<') {
                        bracket = true;
                } else if (*p == '>') {
                        bracket = false;
                } else if (*p == '(' && !bracket) {
                        depth++;
                } else if (*p == ')' && depth > 0) {
                        depth--;
                } else if (*p == ',' && !bracket && depth == 0) {
                        break;
                }
        }
        *at = *p == ',' ? p + 1 : NULL;
        while (p > start && is_blank(p[-1]))
                p--;
        *len = (size_t)(p - start);
        return start;
}

bool
sip_is_token(const char *text)
{
        if (*text == '\0')
                return false;
        for (; *text != '\0'; text++)
                if (!is_token_byte((unsigned char)*text))
                        return false;
        return true;
}
