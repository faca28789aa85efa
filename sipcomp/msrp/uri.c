/*
 * uri.c - MSRP URIs: msrp://user@host:port/session-id;tcp
 */
#include "sipcomp/msrp/uri.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define UNRESERVED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

static const char *
lower(struct arena *arena, const char *text, size_t len)
{
        char *copy = arena_strndup(arena, text, len);
        for (char *c = copy; *c != '\0'; c++)
                *c = (char)tolower((unsigned char)*c);
        return copy;
}

/* The host; returns what follows it, or NULL. */
static const char *
take_host(struct msrp_uri *uri, struct arena *arena, const char *at)
{
        if (*at == '[') {
                size_t len = strspn(at + 1, "0123456789abcdefABCDEF:.");
                if (len == 0 || at[1 + len] != ']')
                        return NULL;
                uri->host = lower(arena, at + 1, len);
                return at + len + 2;
        }
        size_t len = 0;
        while (isalnum((unsigned char)at[len]) || (at[len] != '\0' && strchr("-.", at[len]) != NULL))
                len++;
        if (len == 0 || len > 253)
                return NULL;
        uri->host = lower(arena, at, len);
        return at + len;
}

static const char *
take_port(struct msrp_uri *uri, const char *at)
{
        unsigned port = 0;
        size_t digits = strspn(at, "0123456789");
        if (digits == 0 || digits > 5)
                return NULL;
        for (size_t i = 0; i < digits; i++)
                port = port * 10 + (unsigned)(at[i] - '0');
        if (port > 65535)
                return NULL;
        uri->port = (uint16_t)port;
        return at + digits;
}

bool
msrp_uri_parse(struct msrp_uri *uri, struct arena *arena, const char *text)
{
        *uri = (struct msrp_uri){ .port = MSRP_PORT };
        if (strlen(text) > MSRP_URI_MAX)
                return false;
        if (strncasecmp(text, "msrps://", 8) == 0)
                uri->secure = true;
        else if (strncasecmp(text, "msrp://", 7) != 0)
                return false;
        const char *at = text + (uri->secure ? 8 : 7), *user = at + strcspn(at, "@/;");
        if (*user == '@')
                at = user + 1;
        at = take_host(uri, arena, at);
        if (at != NULL && *at == ':')
                at = take_port(uri, at + 1);
        if (at == NULL || *at != '/')
                return false;
        size_t len = strspn(at + 1, UNRESERVED "+=/");
        uri->session = arena_strndup(arena, at + 1, len);
        at += len + 1;
        return len > 0 && strncasecmp(at, ";tcp", 4) == 0 && (at[4] == '\0' || at[4] == ';');
}

bool
msrp_uri_same(const struct msrp_uri *a, const struct msrp_uri *b)
{
        return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0 && strcmp(a->session, b->session) == 0;
}

const char *
msrp_path_first(struct arena *arena, const char *path)
{
        path += strspn(path, " ");
        size_t len = strcspn(path, " ");
        return len == 0 ? NULL : arena_strndup(arena, path, len);
}

const char *
msrp_path_last(struct arena *arena, const char *path)
{
        size_t end = strlen(path), start;
        while (end > 0 && path[end - 1] == ' ')
                end--;
        for (start = end; start > 0 && path[start - 1] != ' ';)
                start--;
        return end == 0 ? NULL : arena_strndup(arena, path + start, end - start);
}
