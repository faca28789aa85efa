/*
 * sdp.c - the session descriptions of IM sessions
 *
 * Nobody dials what they say; they only tell that both sides mean text. So little of RFC 4566 is read: v=, m= and a=accept-types.
 */
#include "sipcomp/sip/sdp.h"

#include "shared/base/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { LINES_MAX = 256 };

#define ACCEPT_TYPES "text/plain text/html multipart/alternative application/im-iscomposing+xml"

const char sip_sdp_accept_types[] = ACCEPT_TYPES;
const char sip_sdp_accept_types_imdn[] = ACCEPT_TYPES " message/cpim message/imdn+xml";

/* `message 5060 sip null`: media, port, transport. 1: text over this dialog, 0: something else, -1: malformed. */
static int
judge_media(const char *line)
{
        size_t media = strcspn(line, " ");
        const char *port = line + media + (line[media] == ' ');
        size_t digits = strspn(port, "0123456789");
        const char *transport = port + digits;
        if (media == 0 || digits == 0 || digits > 5 || (*transport != ' ' && *transport != '/'))
                return -1;
        int number = 0;
        for (size_t i = 0; i < digits; i++)
                number = number * 10 + (port[i] - '0');
        if (number > 65535)
                return -1;
        transport += strcspn(transport, " ");
        transport += *transport == ' ';
        bool is_text =
                (media == 7 && strncasecmp(line, "message", 7) == 0) || (media == 12 && strncasecmp(line, "x-ms-message", 12) == 0);
        size_t transport_len = strcspn(transport, " ");
        return is_text && number != 0 && transport_len == 3 && strncasecmp(transport, "sip", 3) == 0;
}

enum sip_sdp_kind
sip_sdp_read(struct sip_sdp *sdp, struct arena *arena, const char *body, size_t len)
{
        size_t lines = 0, texts = 0, others = 0;
        bool has_version = false, in_text = false;

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
                        int kind = judge_media(line);
                        if (kind < 0)
                                return SIP_SDP_BAD;
                        in_text = kind == 1;
                        texts += in_text;
                        others += !in_text;
                } else if (at[0] == 'a' && in_text && strncasecmp(line, "accept-types:", 13) == 0 && sdp->accept_types == NULL) {
                        sdp->accept_types = line + 13;
                }
        }
        if (!has_version)
                return SIP_SDP_BAD;
        return texts == 1 && others == 0 ? SIP_SDP_IM : SIP_SDP_OTHER;
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

void
sip_sdp_write(struct buf *out, const char *address, const char *format, const char *accept_types)
{
        struct in6_addr v6;
        const char *family = inet_pton(AF_INET6, address, &v6) == 1 ? "IP6" : "IP4";
        buf_printf(out, "v=0\r\no=- 0 0 IN %s %s\r\ns=session\r\nc=IN %s %s\r\nt=0 0\r\n", family, address, family, address);
        buf_printf(out, "m=message 5060 sip %s\r\na=accept-types:%s\r\n", format, accept_types);
}
