/*
 * cpim.c - message/cpim with the headers of IMDN, and the notification itself
 *
 * RFC 5438 6: the prefix of its headers is what the NS header binds to urn:ietf:params:imdn. Nothing here is an identity: who writes and who is
 * written to is what SIP says.
 */
#include "sipcomp/dialect/cpim.h"

#include "shared/base/mem.h"
#include "shared/xml/parser.h"
#include "shared/xml/writer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define NS_IMDN_HEADERS "urn:ietf:params:imdn"
#define NS_IMDN         "urn:ietf:params:xml:ns:imdn"

enum { PREFIX_MAX = 32, IMDN_BYTES_MAX = 8192 };

/* A header line: name and value without the blanks around it. */
struct line {
        const char *name, *value;
        size_t name_len, value_len;
};

/* Moves *at behind the line; false at the empty line that ends the headers, or at the end. */
static bool
next_line(struct line *line, const char *bytes, size_t len, size_t *at)
{
        if (*at >= len)
                return false;
        const char *start = bytes + *at, *end = memchr(start, '\n', len - *at);
        size_t n = end == NULL ? len - *at : (size_t)(end - start);
        *at += n + (end != NULL);
        if (n > 0 && start[n - 1] == '\r')
                n--;
        if (n == 0)
                return false;
        const char *colon = memchr(start, ':', n);
        *line = (struct line){ .name = start, .name_len = colon == NULL ? n : (size_t)(colon - start) };
        if (colon == NULL)
                return true;
        line->value = colon + 1;
        line->value_len = n - line->name_len - 1;
        for (; line->value_len > 0 && isspace((unsigned char)*line->value); line->value_len--)
                line->value++;
        while (line->value_len > 0 && isspace((unsigned char)line->value[line->value_len - 1]))
                line->value_len--;
        return true;
}

static bool
is_name(const struct line *line, const char *prefix, const char *name)
{
        size_t prefix_len = strlen(prefix), dot = prefix_len > 0;
        return line->value != NULL && line->name_len == prefix_len + dot + strlen(name) &&
                strncmp(line->name, prefix, prefix_len) == 0 && (dot == 0 || line->name[prefix_len] == '.') &&
                strncasecmp(line->name + prefix_len + dot, name, strlen(name)) == 0;
}

/* NS: imdn <urn:ietf:params:imdn> (RFC 3862 3.4). */
static void
take_prefix(const struct line *line, char prefix[PREFIX_MAX])
{
        static const char uri[] = "<" NS_IMDN_HEADERS ">";
        size_t uri_len = sizeof(uri) - 1;
        if (line->value_len <= uri_len || memcmp(line->value + line->value_len - uri_len, uri, uri_len) != 0)
                return;
        size_t n = line->value_len - uri_len;
        while (n > 0 && isspace((unsigned char)line->value[n - 1]))
                n--;
        if (n == 0 || n >= PREFIX_MAX)
                return;
        memcpy(prefix, line->value, n);
        prefix[n] = '\0';
}

/* Printable ASCII without blanks, short enough to be repeated. */
static void
take_word(char *out, size_t max, const struct line *line)
{
        if (line->value_len > max)
                return;
        for (size_t i = 0; i < line->value_len; i++)
                if (!isgraph((unsigned char)line->value[i]))
                        return;
        memcpy(out, line->value, line->value_len);
        out[line->value_len] = '\0';
}

static bool
lists(const struct line *line, const char *word)
{
        size_t word_len = strlen(word);
        for (size_t at = 0; at < line->value_len;) {
                const char *start = line->value + at, *comma = memchr(start, ',', line->value_len - at);
                size_t n = comma == NULL ? line->value_len - at : (size_t)(comma - start);
                at += n + 1;
                for (; n > 0 && isspace((unsigned char)*start); n--)
                        start++;
                size_t bare = 0; /* without parameters */
                while (bare < n && start[bare] != ';' && !isspace((unsigned char)start[bare]))
                        bare++;
                if (bare == word_len && strncasecmp(start, word, word_len) == 0)
                        return true;
        }
        return false;
}

bool
cpim_read(struct cpim *cpim, const char *bytes, size_t len)
{
        char prefix[PREFIX_MAX] = "imdn";
        size_t at = 0;
        struct line line;

        *cpim = (struct cpim){ 0 };
        while (next_line(&line, bytes, len, &at))
                if (is_name(&line, "", "NS"))
                        take_prefix(&line, prefix);
        if (at >= len)
                return false;
        size_t inner = at;
        for (at = 0; next_line(&line, bytes, len, &at);) {
                if (is_name(&line, "", "DateTime"))
                        take_word(cpim->date_time, CPIM_TIME_MAX, &line);
                else if (is_name(&line, prefix, "Message-ID"))
                        take_word(cpim->message_id, CPIM_ID_MAX, &line);
                else if (is_name(&line, prefix, "Disposition-Notification"))
                        cpim->wants_delivery = lists(&line, "positive-delivery");
        }
        for (at = inner; next_line(&line, bytes, len, &at);)
                if (is_name(&line, "", "Content-Type"))
                        cpim->is_notification = lists(&line, "message/imdn+xml");
        cpim->body = bytes + at;
        cpim->body_len = len - at;
        return true;
}

void
cpim_write_text(struct buf *out, const char *from, const char *to, const char *message_id, const char *date_time, const char *text,
        size_t len)
{
        buf_printf(out, "From: <%s>\r\nTo: <%s>\r\nDateTime: %s\r\nNS: imdn <" NS_IMDN_HEADERS ">\r\nimdn.Message-ID: %s\r\n", from,
                to, date_time, message_id);
        buf_printf(out,
                "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n"
                "Content-Type: text/plain; charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
                len);
        buf_put(out, text, len);
}

void
cpim_write_delivered(struct buf *out, const char *from, const char *to, const char *message_id, const struct cpim *about)
{
        struct buf document = { 0 };
        buf_puts(&document, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<imdn xmlns=\"" NS_IMDN "\"><message-id>");
        xml_write_text(&document, about->message_id, strlen(about->message_id));
        buf_puts(&document, "</message-id><datetime>");
        xml_write_text(&document, about->date_time, strlen(about->date_time));
        buf_puts(&document, "</datetime><recipient-uri>");
        xml_write_text(&document, from, strlen(from));
        buf_puts(&document,
                "</recipient-uri><delivery-notification><status><delivered/></status></delivery-notification></imdn>\r\n");
        buf_printf(out, "From: <%s>\r\nTo: <%s>\r\nNS: imdn <" NS_IMDN_HEADERS ">\r\nimdn.Message-ID: %s\r\n\r\n", from, to,
                message_id);
        buf_printf(out, "Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\nContent-Length: %zu\r\n\r\n",
                document.len);
        buf_put(out, buf_data(&document), document.len);
        buf_free(&document);
}

static enum imdn_status
status_of(const struct element *root)
{
        static const struct {
                const char *name;
                enum imdn_status status;
        } rows[] = {
                { "delivered", IMDN_DELIVERED },
                { "failed", IMDN_FAILED },
                { "error", IMDN_FAILED },
                { "forbidden", IMDN_FORBIDDEN },
        };
        const struct element *delivery = element_child(root, "delivery-notification", NS_IMDN);
        const struct element *status = delivery == NULL ? NULL : element_child(delivery, "status", NS_IMDN);
        for (size_t i = 0; status != NULL && i < array_len(rows); i++)
                if (element_child(status, rows[i].name, NS_IMDN) != NULL)
                        return rows[i].status;
        return IMDN_NOTHING;
}

enum imdn_status
imdn_read(const char *bytes, size_t len, char message_id[CPIM_ID_MAX + 1])
{
        static const struct xml_limits limits = { .stanza_bytes = IMDN_BYTES_MAX, .depth = 8, .attributes = 16 };
        struct arena *arena = NULL;
        enum xml_problem problem;
        enum imdn_status status = IMDN_NOTHING;
        struct element *root = len > IMDN_BYTES_MAX ? NULL : xml_parse_document(bytes, len, &limits, &arena, &problem);
        const struct element *id =
                root == NULL || !element_is(root, "imdn", NS_IMDN) ? NULL : element_child(root, "message-id", NS_IMDN);
        if (id != NULL) {
                const char *text = element_text(id, arena);
                struct line line = { .value = text, .value_len = strlen(text) };
                message_id[0] = '\0';
                take_word(message_id, CPIM_ID_MAX, &line);
                status = message_id[0] == '\0' ? IMDN_NOTHING : status_of(root);
        }
        arena_free(&arena);
        return status;
}
