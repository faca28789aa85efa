/*
 * message.c - header access, building and printing
 *
 * A message is a list of lines in an arena. Names are stored in one writing (that of the table below), so known names compare by
 * pointer or strcmp, and compact forms exist on the wire only.
 */
#include "sipcomp/sip/message.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "sipcomp/sip/sip_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char sip_allow[] = "INVITE, ACK, BYE, CANCEL, MESSAGE, INFO, UPDATE, OPTIONS, SUBSCRIBE, NOTIFY";

static const struct header_kind kinds[] = {
        { "Via", 'v', HEADER_LIST },
        { "From", 'f', HEADER_ONCE },
        { "To", 't', HEADER_ONCE },
        { "Call-ID", 'i', HEADER_ONCE },
        { "CSeq", 0, HEADER_ONCE },
        { "Contact", 'm', HEADER_LIST },
        { "Content-Length", 'l', HEADER_ONCE },
        { "Content-Type", 'c', HEADER_ONCE },
        { "Content-Encoding", 'e', HEADER_LIST },
        { "Max-Forwards", 0, HEADER_ONCE },
        { "Route", 0, HEADER_LIST },
        { "Record-Route", 0, HEADER_LIST },
        { "Event", 'o', HEADER_ONCE },
        { "Expires", 0, HEADER_ONCE },
        { "Min-Expires", 0, HEADER_ONCE },
        { "Subscription-State", 0, HEADER_ONCE },
        { "Accept", 0, HEADER_LIST },
        { "Accept-Encoding", 0, HEADER_LIST },
        { "Allow", 0, HEADER_LIST },
        { "Allow-Events", 'u', HEADER_LIST },
        { "Supported", 'k', HEADER_LIST },
        { "Require", 0, HEADER_LIST },
        { "Proxy-Require", 0, HEADER_LIST },
        { "Unsupported", 0, HEADER_LIST },
        { "Subject", 's', 0 },
        { "Refer-To", 'r', 0 },
        { "Referred-By", 'b', 0 },
        { "Session-Expires", 'x', 0 },
        { "Request-Disposition", 'd', 0 },
        { "Accept-Contact", 'a', 0 },
        { "Reject-Contact", 'j', 0 },
        { "Identity", 'y', 0 },
        { "Identity-Info", 'n', 0 },
        { "Retry-After", 0, 0 },
        { "Warning", 0, 0 },
        { "Server", 0, 0 },
        { "User-Agent", 0, 0 },
};

const struct header_kind *
header_kind_of(const char *name, size_t len)
{
        char first = (char)(len > 0 ? name[0] | 0x20 : 0);
        for (size_t i = 0; i < array_len(kinds); i++) {
                if (len == 1 ? kinds[i].compact != 0 && first == kinds[i].compact
                             : (kinds[i].name[0] | 0x20) == first && strncasecmp(kinds[i].name, name, len) == 0 &&
                                        kinds[i].name[len] == '\0')
                        return &kinds[i];
        }
        return NULL;
}

struct sip_message *
message_alloc(size_t first_block)
{
        struct arena *arena = arena_new(first_block);
        struct sip_message *message = ARENA_NEW(arena, message);
        message->arena = arena;
        message->reason = "";
        return message;
}

void
sip_message_free(struct sip_message **message)
{
        if (*message == NULL)
                return;
        struct arena *arena = (*message)->arena;
        *message = NULL;
        arena_free(&arena);
}

void
message_append(struct sip_message *message, const char *name, const char *value)
{
        if (message->header_count == message->header_room) {
                message->header_room = message->header_room > 0 ? message->header_room * 2 : 32;
                struct sip_header *more = arena_alloc(message->arena, message->header_room * sizeof *more);
                if (message->header_count > 0)
                        memcpy(more, message->headers, message->header_count * sizeof *more);
                message->headers = more;
        }
        message->headers[message->header_count++] = (struct sip_header){ .name = name, .value = value };
}

/* --- reading */

bool
sip_message_is(const struct sip_message *message, const char *method)
{
        return message->method != NULL && strcmp(message->method, method) == 0;
}

const char *
sip_message_each(const struct sip_message *message, const char *name, size_t *at)
{
        const struct header_kind *kind = header_kind_of(name, strlen(name));
        while (*at < message->header_count) {
                const struct sip_header *header = &message->headers[(*at)++];
                if (kind != NULL ? header->name == kind->name : strcasecmp(header->name, name) == 0)
                        return header->value;
        }
        return NULL;
}

const char *
sip_message_get(const struct sip_message *message, const char *name)
{
        size_t at = 0;
        return sip_message_each(message, name, &at);
}

size_t
sip_message_list(const struct sip_message *message, const char *name, const char **elements, size_t room)
{
        size_t count = 0, at = 0, len;
        for (const char *line; (line = sip_message_each(message, name, &at)) != NULL;) {
                for (const char *element; count < room && (element = sip_list_next(&line, &len)) != NULL;)
                        elements[count++] = arena_strndup(message->arena, element, len);
        }
        return count;
}

/* The element up to its parameters. */
static bool
is_word(const char *element, size_t len, const char *word)
{
        size_t word_len = strlen(word);
        if (len < word_len || strncasecmp(element, word, word_len) != 0)
                return false;
        const char *rest = element + word_len, *end = element + len;
        while (rest < end && (*rest == ' ' || *rest == '\t'))
                rest++;
        return rest == end || *rest == ';';
}

bool
sip_message_lists(const struct sip_message *message, const char *name, const char *word)
{
        size_t at = 0, len;
        for (const char *line; (line = sip_message_each(message, name, &at)) != NULL;)
                for (const char *element; (element = sip_list_next(&line, &len)) != NULL;)
                        if (is_word(element, len, word))
                                return true;
        return false;
}

int64_t
sip_message_number(const struct sip_message *message, const char *name, int64_t max)
{
        const char *text = sip_message_get(message, name);
        if (text == NULL)
                return -1;
        size_t digits = strspn(text, "0123456789");
        const char *rest = text + digits;
        while (*rest == ' ' || *rest == '\t')
                rest++;
        if (digits == 0 || digits > 18 || (*rest != '\0' && *rest != ';' && *rest != '('))
                return -2;
        int64_t number = text_number(arena_strndup(message->arena, text, digits), max);
        return number >= 0 ? number : -2;
}

const char *
sip_message_content_type(const struct sip_message *message)
{
        const char *text = sip_message_get(message, "Content-Type");
        return text != NULL ? grammar_content_type(message->arena, text) : NULL;
}

const char *
sip_message_parameter(const struct sip_message *message, const char *header, const char *name)
{
        const char *value, *text = sip_message_get(message, header);
        if (text == NULL)
                return NULL;
        return sip_parameter(message->arena, text + strcspn(text, ";"), name, &value) ? value : NULL;
}

bool
sip_message_contact(const struct sip_message *message, struct sip_address *contact)
{
        size_t at = 0, len;
        const char *line = sip_message_each(message, "Contact", &at);
        if (line == NULL || sip_message_each(message, "Contact", &at) != NULL)
                return false;
        const char *element = sip_list_next(&line, &len);
        return line == NULL && sip_address_parse(contact, message->arena, element, len);
}

/* --- building */

/* A copy in which nothing can end the line. */
static char *
safe_copy(struct arena *arena, const char *text)
{
        char *copy = arena_strdup(arena, text);
        for (unsigned char *at = (unsigned char *)copy; *at != '\0'; at++)
                if ((*at < ' ' && *at != '\t') || *at == 0x7f)
                        *at = ' ';
        return copy;
}

static const char *
stored_name(struct arena *arena, const char *name)
{
        const struct header_kind *kind = header_kind_of(name, strlen(name));
        return kind != NULL ? kind->name : safe_copy(arena, name);
}

void
sip_message_add(struct sip_message *message, const char *name, const char *value)
{
        message_append(message, stored_name(message->arena, name), safe_copy(message->arena, value));
}

void
sip_message_addf(struct sip_message *message, const char *name, const char *format, ...)
{
        struct buf text = { 0 };
        char small[256];
        va_list args;

        va_start(args, format);
        int len = vsnprintf(small, sizeof small, format, args);
        va_end(args);
        must(len >= 0);
        if ((size_t)len < sizeof small) {
                sip_message_add(message, name, small);
                return;
        }
        va_start(args, format);
        vsnprintf(buf_reserve(&text, (size_t)len + 1), (size_t)len + 1, format, args);
        va_end(args);
        buf_added(&text, (size_t)len);
        sip_message_add(message, name, buf_text(&text));
        buf_free(&text);
}

void
sip_message_prepend(struct sip_message *message, const char *name, const char *value)
{
        sip_message_add(message, name, value);
        struct sip_header last = message->headers[message->header_count - 1];
        memmove(message->headers + 1, message->headers, (message->header_count - 1) * sizeof last);
        message->headers[0] = last;
}

void
sip_message_remove(struct sip_message *message, const char *name)
{
        size_t kept = 0;
        for (size_t i = 0; i < message->header_count; i++)
                if (strcasecmp(message->headers[i].name, stored_name(message->arena, name)) != 0)
                        message->headers[kept++] = message->headers[i];
        message->header_count = kept;
}

void
sip_message_set(struct sip_message *message, const char *name, const char *value)
{
        char *copy = safe_copy(message->arena, value);
        sip_message_remove(message, name);
        sip_message_add(message, name, copy);
}

void
sip_message_set_body(struct sip_message *message, const char *type, const void *body, size_t len)
{
        if (type != NULL)
                sip_message_set(message, "Content-Type", type);
        char *copy = NULL;
        if (len > 0) {
                copy = arena_alloc(message->arena, len + 1);
                memcpy(copy, body, len);
        }
        message->body = copy;
        message->body_len = len;
}

void
sip_message_set_contact_user(struct sip_message *message, const char *user)
{
        message->contact_user = user != NULL ? safe_copy(message->arena, user) : NULL;
}

struct sip_message *
sip_request_bare(const char *method, const char *uri)
{
        struct sip_message *message = message_alloc(2048);
        message->method = arena_strdup(message->arena, method);
        message->uri = safe_copy(message->arena, uri);
        return message;
}

/* `"Display" ` with what a quoted string needs, or nothing. */
static const char *
quoted_display(struct arena *arena, const char *display)
{
        if (display == NULL || *display == '\0')
                return "";
        char *quoted = arena_alloc(arena, strlen(display) * 2 + 4), *out = quoted;
        *out++ = '"';
        for (const char *at = display; *at != '\0'; at++) {
                if (*at == '"' || *at == '\\')
                        *out++ = '\\';
                *out++ = *at;
        }
        *out++ = '"';
        *out++ = ' ';
        *out = '\0';
        return quoted;
}

struct sip_message *
sip_request_new(const char *method, const char *uri, const char *display, const char *from, const char *to)
{
        struct sip_message *message = sip_request_bare(method, uri);
        char tag[SIP_TAG_TEXT];
        struct sip_uri ours;

        must(sip_uri_parse(&ours, message->arena, from, strlen(from)) && ours.host != NULL);
        sip_message_add(message, "Max-Forwards", "70");
        sip_message_addf(message, "From", "%s<%s>;tag=%s", quoted_display(message->arena, display), from, sip_new_tag(tag));
        sip_message_addf(message, "To", "<%s>", to);
        sip_message_add(message, "Call-ID", sip_new_call_id(message->arena, ours.host));
        sip_message_addf(message, "CSeq", "1 %s", method);
        must(sip_message_complete(message));
        return message;
}

static bool
creates_dialog(const struct sip_message *message)
{
        return sip_message_is(message, "INVITE") || sip_message_is(message, "SUBSCRIBE");
}

bool
message_takes_record_route(const struct sip_message *message)
{
        if (!creates_dialog(message))
                return false;
        return message->status == 0 ? message->to.tag == NULL : message->status > 100 && message->status < 300;
}

static void
copy_lines(struct sip_message *to, const struct sip_message *from, const char *name)
{
        size_t at = 0;
        for (const char *value; (value = sip_message_each(from, name, &at)) != NULL;)
                sip_message_add(to, name, value);
}

struct sip_message *
sip_response_new(const struct sip_message *request, int status, const char *reason, const char *to_tag)
{
        struct sip_message *response = message_alloc(4096);
        char fresh[SIP_TAG_TEXT];

        response->status = status;
        response->reason = safe_copy(response->arena, reason != NULL ? reason : sip_reason(status));
        response->method = arena_strdup(response->arena, request->method);
        copy_lines(response, request, "Via");
        if (creates_dialog(request) && status > 100 && status < 300)
                copy_lines(response, request, "Record-Route");
        copy_lines(response, request, "From");
        const char *to = sip_message_get(request, "To");
        if (to != NULL && request->to.tag == NULL && request->to.uri.text != NULL && status > 100)
                sip_message_addf(response, "To", "%s;tag=%s", to, to_tag != NULL ? to_tag : sip_new_tag(fresh));
        else
                copy_lines(response, request, "To");
        copy_lines(response, request, "Call-ID");
        copy_lines(response, request, "CSeq");
        sip_message_complete(response); /* fails for the answer to what was malformed; then nobody asks for these fields */
        return response;
}

struct sip_message *
sip_response_of_fault(const struct sip_message *request, const struct sip_fault *fault)
{
        struct sip_message *response = sip_response_new(request, fault->status, NULL, NULL);
        const char *colon = strstr(fault->header, ": ");
        if (colon != NULL) {
                char name[64];
                snprintf(name, sizeof name, "%.*s", (int)(colon - fault->header), fault->header);
                sip_message_add(response, name, colon + 2);
        }
        return response;
}

bool
sip_message_complete(struct sip_message *message)
{
        const char *method, *from = sip_message_get(message, "From"), *to = sip_message_get(message, "To"),
                            *cseq = sip_message_get(message, "CSeq");
        const char *via = sip_message_get(message, "Via");
        size_t len;

        message->call_id = sip_message_get(message, "Call-ID");
        if (via != NULL) {
                const char *at = via, *first = sip_list_next(&at, &len);
                via_parse(&message->via, message->arena, first, len);
        }
        return from != NULL && to != NULL && cseq != NULL && message->call_id != NULL &&
                sip_address_parse(&message->from, message->arena, from, strlen(from)) &&
                sip_address_parse(&message->to, message->arena, to, strlen(to)) &&
                cseq_parse(message->arena, cseq, &message->cseq, &method) && strcmp(method, message->method) == 0 &&
                (message->uri == NULL || sip_uri_parse(&message->target, message->arena, message->uri, strlen(message->uri)));
}

struct sip_message *
sip_message_copy(const struct sip_message *message)
{
        struct sip_message *copy = message_alloc(4096 + message->body_len);
        copy->method = arena_strdup(copy->arena, message->method);
        copy->uri = arena_strdup(copy->arena, message->uri);
        copy->status = message->status;
        copy->reason = arena_strdup(copy->arena, message->reason);
        for (size_t i = 0; i < message->header_count; i++)
                sip_message_add(copy, message->headers[i].name, message->headers[i].value);
        sip_message_set_body(copy, NULL, message->body, message->body_len);
        copy->contact_user = arena_strdup(copy->arena, message->contact_user);
        copy->flow = message->flow;
        copy->local = message->local;
        sip_message_complete(copy);
        return copy;
}

struct sip_message *
message_pack(struct sip_message *message)
{
        size_t texts = strlen(message->method) + strlen(message->reason) + 2, count = message->header_count;
        for (size_t i = 0; i < count; i++)
                texts += strlen(message->headers[i].value) + 1;
        if (message->contact_user != NULL)
                texts += strlen(message->contact_user) + 1;
        if (message->to.tag != NULL)
                texts += strlen(message->to.tag) + 1;
        struct sip_message *packed =
                message_alloc(sizeof *packed + count * sizeof message->headers[0] + texts + message->body_len + 192);
        char *at = arena_alloc(packed->arena, texts);
        packed->method = text_place(&at, message->method);
        packed->reason = text_place(&at, message->reason);
        packed->status = message->status;
        packed->flow = message->flow;
        packed->contact_user = text_place(&at, message->contact_user);
        packed->to.tag = text_place(&at, message->to.tag);
        packed->headers = arena_alloc(packed->arena, (count > 0 ? count : 1) * sizeof packed->headers[0]);
        packed->header_room = packed->header_count = count;
        for (size_t i = 0; i < count; i++)
                packed->headers[i] = (struct sip_header){ stored_name(packed->arena, message->headers[i].name),
                        text_place(&at, message->headers[i].value) };
        if (message->body_len > 0)
                sip_message_set_body(packed, NULL, message->body, message->body_len);
        sip_message_free(&message);
        return packed;
}

/* --- printing */

void
message_print_line(struct buf *out, const char *name, const char *value)
{
        buf_puts(out, name);
        buf_puts(out, ": ");
        buf_puts(out, value);
        buf_puts(out, "\r\n");
}

void
message_print(const struct sip_message *message, const struct print_extra *extra, struct buf *out)
{
        if (message->uri != NULL)
                buf_printf(out, "%s %s SIP/2.0\r\n", message->method, message->uri);
        else
                buf_printf(out, "SIP/2.0 %d %s\r\n", message->status, message->reason);
        if (extra->via != NULL)
                message_print_line(out, "Via", extra->via);
        if (extra->record_route != NULL)
                message_print_line(out, "Record-Route", extra->record_route);
        for (size_t i = 0; i < message->header_count; i++)
                if (strcmp(message->headers[i].name, "Content-Length") != 0)
                        message_print_line(out, message->headers[i].name, message->headers[i].value);
        if (extra->contact != NULL)
                message_print_line(out, "Contact", extra->contact);
        buf_printf(out, "Content-Length: %zu\r\n\r\n", message->body_len);
        if (message->body_len > 0)
                buf_put(out, message->body, message->body_len);
}

void
sip_message_print(const struct sip_message *message, struct buf *out)
{
        message_print(message, &(struct print_extra){ 0 }, out);
}

const char *
sip_reason(int status)
{
        static const struct {
                int status;
                const char *reason;
        } ours[] = {
                { 422, "Session Interval Too Small" },
                { 423, "Interval Too Brief" },
                { 481, "Call/Transaction Does Not Exist" },
                { 489, "Bad Event" },
                { 513, "Message Too Large" },
        };
        for (size_t i = 0; i < array_len(ours); i++)
                if (ours[i].status == status)
                        return ours[i].reason;
        const char *reason = grammar_reason(status);
        return reason != NULL ? reason : "Unknown";
}

/* --- identifiers */

char *
sip_new_tag(char *text)
{
        return random_hex(text, 10);
}

char *
sip_new_branch(char *text)
{
        memcpy(text, "z9hG4bK", 7);
        random_hex(text + 7, 16);
        return text;
}

const char *
sip_new_call_id(struct arena *arena, const char *host)
{
        char hex[33];
        return arena_printf(arena, "%s@%s", random_hex(hex, 16), host);
}
