/*
 * sdp.c - the session descriptions of IM sessions
 *
 * Over the dialog itself nobody dials what they say; they only tell that both sides mean text. So little of RFC 4566 is read: v=, m=,
 * a=accept-types, and what MSRP needs.
 */
#include "sipcomp/sip/sdp.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINES_MAX = 256 };

#define ACCEPT_TYPES "text/plain text/html multipart/alternative application/im-iscomposing+xml"

const char sip_sdp_accept_types[] = ACCEPT_TYPES;
const char sip_sdp_accept_types_imdn[] = ACCEPT_TYPES " message/cpim message/imdn+xml";

enum media { MEDIA_BAD, MEDIA_OTHER, MEDIA_TEXT, MEDIA_MSRP, MEDIA_MSRPS };

/* `message 5060 sip null`: media, port, transport. */
static enum media
judge_media(const char *line)
{
        size_t media = strcspn(line, " ");
        const char *port = line + media + (line[media] == ' ');
        size_t digits = strspn(port, "0123456789");
        const char *transport = port + digits;
        if (media == 0 || digits == 0 || digits > 5 || (*transport != ' ' && *transport != '/'))
                return MEDIA_BAD;
        int number = 0;
        for (size_t i = 0; i < digits; i++)
                number = number * 10 + (port[i] - '0');
        if (number > 65535)
                return MEDIA_BAD;
        transport += strcspn(transport, " ");
        transport += *transport == ' ';
        static const struct {
                const char *media, *transport;
                enum media kind;
        } kinds[] = {
                { "message", "sip", MEDIA_TEXT },
                { "x-ms-message", "sip", MEDIA_TEXT },
                { "message", "TCP/MSRP", MEDIA_MSRP },
                { "message", "TCP/TLS/MSRP", MEDIA_MSRPS },
        };
        size_t transport_len = strcspn(transport, " ");
        for (size_t i = 0; number != 0 && i < array_len(kinds); i++)
                if (strlen(kinds[i].media) == media && strncasecmp(line, kinds[i].media, media) == 0 &&
                        strlen(kinds[i].transport) == transport_len &&
                        strncasecmp(transport, kinds[i].transport, transport_len) == 0)
                        return kinds[i].kind;
        return MEDIA_OTHER;
}

static enum sip_sdp_setup
setup_of(const char *word)
{
        static const char *const words[] = { "", "active", "passive", "actpass", "holdconn" };
        for (size_t i = 1; i < array_len(words); i++)
                if (strcasecmp(word, words[i]) == 0)
                        return (enum sip_sdp_setup)i;
        return SIP_SETUP_NONE;
}

/* `sha-256 4A:AD:...` (RFC 8122 5). */
static bool
read_fingerprint(unsigned char digest[32], const char *value)
{
        if (strncasecmp(value, "sha-256 ", 8) != 0 || strlen(value += 8) != 32 * 3 - 1)
                return false;
        for (size_t i = 0; i < 32; i++, value += 3) {
                char pair[3] = { value[0], value[1], '\0' }, *end;
                if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]) || (i < 31 && value[2] != ':'))
                        return false;
                digest[i] = (unsigned char)strtoul(pair, &end, 16);
        }
        return true;
}

static void
take_attribute(struct sip_sdp *sdp, const char *line, bool in_text)
{
        if (strncasecmp(line, "fingerprint:", 12) == 0) /* of the session or of the media */
                sdp->has_fingerprint |= read_fingerprint(sdp->fingerprint, line + 12);
        else if (strncasecmp(line, "setup:", 6) == 0)
                sdp->setup = setup_of(line + 6);
        else if (in_text && strncasecmp(line, "accept-types:", 13) == 0 && sdp->accept_types == NULL)
                sdp->accept_types = line + 13;
        else if (in_text && strncasecmp(line, "path:", 5) == 0 && sdp->path == NULL)
                sdp->path = line + 5;
}

enum sip_sdp_kind
sip_sdp_read(struct sip_sdp *sdp, struct arena *arena, const char *body, size_t len)
{
        size_t lines = 0, texts = 0, others = 0;
        bool has_version = false, in_text = false, over_msrp = false;
        enum media kind;

        *sdp = (struct sip_sdp){ 0 };
        if (len == 0 || memchr(body, '\0', len) != NULL || !text_is_utf8(body, len))
                return SIP_SDP_BAD;
        for (const char *at = body, *end = body + len, *next; at < end; at = next) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                next = stop != NULL ? stop + 1 : end;
                size_t line_len = (size_t)((stop != NULL ? stop : end) - at);
                if (line_len > 0 && at[line_len - 1] == '\r')
                        line_len--;
                if (line_len == 0)
                        continue;
                if (++lines > LINES_MAX || line_len < 2 || at[1] != '=' || at[0] < 'a' || at[0] > 'z')
                        return SIP_SDP_BAD;
                const char *line = arena_strndup(arena, at + 2, line_len - 2);
                if (!has_version) {
                        if (at[0] != 'v' || strcmp(line, "0") != 0)
                                return SIP_SDP_BAD;
                        has_version = true;
                } else if (at[0] == 'm') {
                        kind = judge_media(line);
                        if (kind == MEDIA_BAD)
                                return SIP_SDP_BAD;
                        in_text = kind != MEDIA_OTHER;
                        texts += in_text;
                        others += !in_text;
                        sdp->secure |= kind == MEDIA_MSRPS;
                        over_msrp |= kind == MEDIA_MSRP || kind == MEDIA_MSRPS;
                } else if (at[0] == 'a') {
                        take_attribute(sdp, line, in_text);
                }
        }
        if (!has_version)
                return SIP_SDP_BAD;
        if (texts != 1 || others != 0)
                return SIP_SDP_OTHER;
        return !over_msrp ? SIP_SDP_IM : sdp->path != NULL ? SIP_SDP_MSRP : SIP_SDP_OTHER;
}

bool
sip_sdp_accepts(const struct sip_sdp *sdp, const char *type)
{
        const char *slash = strchr(type, '/');
        if (sdp->accept_types == NULL)
                return strcasecmp(type, "text/plain") == 0;
        for (const char *at = sdp->accept_types; *at != '\0';) {
                size_t blanks = strspn(at, " \t"), len = strcspn(at + blanks, " \t");
                at += blanks;
                if (len == 1 && *at == '*')
                        return true;
                if (len == strlen(type) && strncasecmp(at, type, len) == 0)
                        return true;
                if (slash != NULL && len == (size_t)(slash - type) + 2 && strncasecmp(at, type, len - 1) == 0 && at[len - 1] == '*')
                        return true;
                at += len;
        }
        return false;
}

static void
write_session(struct buf *out, const char *address)
{
        struct in6_addr v6;
        const char *family = inet_pton(AF_INET6, address, &v6) == 1 ? "IP6" : "IP4";
        buf_printf(out, "v=0\r\no=- 0 0 IN %s %s\r\ns=session\r\nc=IN %s %s\r\nt=0 0\r\n", family, address, family, address);
}

void
sip_sdp_write(struct buf *out, const char *address, const char *format, const char *accept_types)
{
        write_session(out, address);
        buf_printf(out, "m=message 5060 sip %s\r\na=accept-types:%s\r\n", format, accept_types);
}

void
sip_sdp_write_msrp(struct buf *out, const char *address, uint16_t port, bool secure, const char *path, const char *setup,
        const char *accept_types)
{
        write_session(out, address);
        buf_printf(out, "m=message %u %s *\r\na=accept-types:%s\r\na=path:%s\r\n", port, secure ? "TCP/TLS/MSRP" : "TCP/MSRP",
                accept_types, path);
        if (setup != NULL)
                buf_printf(out, "a=setup:%s\r\n", setup);
}
