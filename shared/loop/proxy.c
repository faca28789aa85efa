/*
 * proxy.c - reading a PROXY head: a line of text (2.1 of the protocol), or a binary block (2.2)
 */
#include "shared/loop/proxy.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_LEN = 107, FIXED_LEN = 16 };

static const char line_start[] = "PROXY ";
static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21, FAMILY_NONE = 0x00, TCP_OVER_IPV4 = 0x11, TCP_OVER_IPV6 = 0x21 };

/* "TCP4 192.0.2.7 192.0.2.1 41522 5061", or "UNKNOWN" and anything. */
static enum proxy_outcome
read_words(struct proxy_head *head, char *line)
{
        char *words[6], *rest = line, *word;
        size_t count = 0;
        struct address destination;

        while (count < array_len(words) && (word = strsep(&rest, " ")) != NULL)
                words[count++] = word;
        if (strcmp(words[0], "UNKNOWN") == 0)
                return PROXY_DONE;
        bool is_v4 = strcmp(words[0], "TCP4") == 0;
        if (count != 5 || (!is_v4 && strcmp(words[0], "TCP6") != 0))
                return PROXY_BROKEN;
        int64_t port = text_number(words[3], 65535);
        if (port < 0 || text_number(words[4], 65535) < 0 || words[1][0] == '[' ||
                !address_from_host(&head->source, words[1], (uint16_t)port) || !address_from_host(&destination, words[2], 0) ||
                (head->source.u.any.sa_family == AF_INET) != is_v4 || (destination.u.any.sa_family == AF_INET) != is_v4)
                return PROXY_BROKEN;
        head->has_source = true;
        return PROXY_DONE;
}

static enum proxy_outcome
read_line(struct proxy_head *head, const char *bytes, size_t len)
{
        char line[LINE_MAX_LEN + 1];
        size_t start = sizeof(line_start) - 1, shown = len < LINE_MAX_LEN ? len : LINE_MAX_LEN;
        const char *end = memchr(bytes, '\n', shown);

        if (end == NULL)
                return shown < LINE_MAX_LEN && memchr(bytes, '\0', shown) == NULL ? PROXY_MORE : PROXY_BROKEN;
        head->len = (size_t)(end - bytes) + 1;
        if (end[-1] != '\r' || head->len < start + 2 || memchr(bytes, '\0', head->len) != NULL)
                return PROXY_BROKEN;
        size_t words_len = head->len - start - 2;
        memcpy(line, bytes + start, words_len);
        line[words_len] = '\0';
        return read_words(head, line);
}

static enum proxy_outcome
read_block(struct proxy_head *head, const unsigned char *bytes, size_t len)
{
        if (len < FIXED_LEN)
                return PROXY_MORE;
        unsigned command = bytes[12], family = bytes[13];
        size_t follows = (size_t)bytes[14] << 8 | bytes[15];
        head->len = FIXED_LEN + follows;
        if ((command != COMMAND_LOCAL && command != COMMAND_PROXY) || head->len > PROXY_HEAD_MAX)
                return PROXY_BROKEN;
        bool is_v4 = family == TCP_OVER_IPV4;
        bool speaks = command == COMMAND_PROXY && family != FAMILY_NONE;
        if (speaks && ((!is_v4 && family != TCP_OVER_IPV6) || follows < (is_v4 ? 12 : 36)))
                return PROXY_BROKEN;
        if (len < head->len)
                return PROXY_MORE;
        if (!speaks)
                return PROXY_DONE;
        const unsigned char *at = bytes + FIXED_LEN;
        if (is_v4) {
                head->source.u.v4.sin_family = AF_INET;
                memcpy(&head->source.u.v4.sin_addr, at, 4);
                memcpy(&head->source.u.v4.sin_port, at + 8, 2);
                head->source.len = sizeof(head->source.u.v4);
        } else {
                head->source.u.v6.sin6_family = AF_INET6;
                memcpy(&head->source.u.v6.sin6_addr, at, 16);
                memcpy(&head->source.u.v6.sin6_port, at + 32, 2);
                head->source.len = sizeof(head->source.u.v6);
        }
        head->has_source = true;
        return PROXY_DONE;
}

static bool
begins_like(const char *bytes, size_t len, const void *start, size_t start_len)
{
        return memcmp(bytes, start, len < start_len ? len : start_len) == 0;
}

enum proxy_outcome
proxy_read(struct proxy_head *head, const char *bytes, size_t len)
{
        *head = (struct proxy_head){ 0 };
        if (len == 0)
                return PROXY_MORE;
        if (begins_like(bytes, len, line_start, sizeof(line_start) - 1))
                return len < sizeof(line_start) - 1 ? PROXY_MORE : read_line(head, bytes, len);
        if (begins_like(bytes, len, signature, sizeof(signature)))
                return read_block(head, (const unsigned char *)bytes, len);
        return PROXY_BROKEN;
}
