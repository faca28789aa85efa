/*
 * parse.c - from the bytes of a head to a message, and every rule about its form (DIALECTS.md section 14)
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/sip/frame.h"
#include "sipcomp/sip/sip_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
        USER_MAX = 1023,      /* bytes of a user part: as long as the localpart of a JID may be */
        PARAMETERS_MAX = 128, /* in one header line that libosip2 parses: it takes time with their square */
};

static bool __attribute__((format(printf, 3, 4))) fault_set(struct sip_fault *fault, int status, const char *format, ...)
{
        va_list args;
        *fault = (struct sip_fault){ .status = status };
        va_start(args, format);
        vsnprintf(fault->why, sizeof fault->why, format, args);
        va_end(args);
        return false;
}

static bool
is_blank(char c)
{
        return c == ' ' || c == '\t';
}

/* --- the start line */

static bool
read_status_line(struct sip_message *message, const char *rest, struct sip_fault *fault)
{
        if (strspn(rest, "0123456789") != 3 || (rest[3] != ' ' && rest[3] != '\0') || rest[0] < '1' || rest[0] > '6') {
                fault_set(fault, 0, "a response whose status is not 100 to 699");
                fault->close = true;
                return false;
        }
        message->status = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
        message->reason = rest[3] == ' ' ? rest + 4 : "";
        return true;
}

static bool
read_request_line(struct sip_message *message, char *line, struct sip_fault *fault)
{
        char *uri = strchr(line, ' '), *version = strrchr(line, ' ');
        if (uri == NULL || version == uri)
                return fault_set(fault, 400, "request line without method, URI and version");
        *uri++ = '\0';
        *version++ = '\0';
        message->method = line;
        message->uri = uri;
        if (strncasecmp(version, "SIP/", 4) != 0 || !sip_is_token(line))
                return fault_set(fault, 400, "request line is malformed");
        if (strcasecmp(version, "SIP/2.0") != 0)
                return fault_set(fault, 505, "SIP version is not 2.0");
        if (!sip_uri_parse(&message->target, message->arena, uri, strlen(uri)))
                return fault_set(fault, 400, "Request-URI is malformed");
        return true;
}

/* --- lines to headers */

static bool
has_control(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)text[i];
                if ((c < ' ' && c != '\t') || c == 0x7f)
                        return true;
        }
        return false;
}

/* Takes the next line (without its end) with the lines folded onto it, each fold as one blank. NULL at the empty line or the end. */
static char *
take_line(struct arena *arena, const char **at, const char *end, bool fold, size_t *len)
{
        const char *start = *at, *stop = start < end ? memchr(start, '\n', (size_t)(end - start)) : NULL;
        if (stop == NULL)
                return NULL;
        const char *first_stop = stop;
        while (fold && stop + 1 < end && is_blank(stop[1])) {
                const char *next = memchr(stop + 1, '\n', (size_t)(end - stop - 1));
                if (next == NULL)
                        break;
                stop = next;
        }
        *at = stop + 1;
        char *line = arena_alloc(arena, (size_t)(stop - start) + 1), *out = line;
        for (const char *from = start; from < stop; from++) {
                if ((*from == '\r' && from[1] == '\n') || *from == '\n') {
                        if (*from == '\r')
                                from++;
                        if (from >= stop)
                                break;
                        while (out > line && is_blank(out[-1]))
                                out--;
                        while (from + 1 < stop && is_blank(from[1]))
                                from++;
                        *out++ = ' ';
                } else {
                        *out++ = *from;
                }
        }
        *out = '\0';
        *len = (size_t)(out - line);
        return *len == 0 && stop == first_stop ? NULL : line;
}

static bool
add_line(struct sip_message *message, char *line, size_t len, struct sip_fault *fault)
{
        if (has_control(line, len)) {
                if (memchr(line, '\0', len) != NULL)
                        return fault_set(fault, 400, "NUL in a header");
                return fault_set(fault, 400, "control character in a header");
        }
        char *colon = strchr(line, ':'), *name_end = colon;
        if (colon == NULL)
                return fault_set(fault, 400, "header line without colon");
        while (name_end > line && is_blank(name_end[-1]))
                name_end--;
        *name_end = '\0';
        if (!sip_is_token(line))
                return fault_set(fault, 400, "header name is malformed");

        char *value = colon + 1, *end = line + len;
        while (is_blank(*value))
                value++;
        while (end > value && is_blank(end[-1]))
                *--end = '\0';
        const struct header_kind *kind = header_kind_of(line, (size_t)(name_end - line));
        message_append(message, kind != NULL ? kind->name : line, value);
        return true;
}

/* --- mandatory headers */

static const char *
only(const struct sip_message *message, const char *name, struct sip_fault *fault)
{
        const char *found = NULL;
        for (size_t i = 0; i < message->header_count; i++) {
                if (strcmp(message->headers[i].name, name) != 0)
                        continue;
                if (found != NULL) {
                        fault_set(fault, 400, "%s is there twice", name);
                        return NULL;
                }
                found = message->headers[i].value;
        }
        if (found == NULL)
                fault_set(fault, 400, "no %s", name);
        return found;
}

/* One header twice where there may be one, or too many values in a list. Both cost the square of their number further on. */
static bool
has_fair_counts(struct sip_message *message, struct sip_fault *fault)
{
        for (size_t i = 0; i < message->header_count; i++) {
                const char *name = message->headers[i].name;
                const struct header_kind *kind = header_kind_of(name, strlen(name));
                if (kind == NULL || kind->flags == 0)
                        continue;
                size_t values = 0;
                for (size_t j = 0; j < message->header_count; j++) {
                        if (message->headers[j].name != kind->name)
                                continue;
                        if (j < i)
                                break; /* counted when its first line was met */
                        if (kind->flags & HEADER_ONCE) {
                                values++;
                                continue;
                        }
                        size_t len;
                        for (const char *at = message->headers[j].value;
                                values <= SIP_LIST_MAX && sip_list_next(&at, &len) != NULL;)
                                values++;
                }
                if ((kind->flags & HEADER_ONCE) && values > 1)
                        return fault_set(fault, 400, "%s is there twice", name);
                if (values > SIP_LIST_MAX) {
                        fault_set(fault, 513, "more than %d values of %s", SIP_LIST_MAX, name);
                        fault->close = true;
                        return false;
                }
        }
        return true;
}

bool
cseq_parse(struct arena *arena, const char *text, uint32_t *number, const char **method)
{
        size_t digits = strspn(text, "0123456789");
        const char *word = text + digits;
        while (is_blank(*word))
                word++;
        if (digits == 0 || digits > 10 || word == text + digits || !sip_is_token(word))
                return false;
        int64_t value = text_number(arena_strndup(arena, text, digits), INT32_MAX);
        if (value < 0)
                return false;
        *number = (uint32_t)value;
        *method = word;
        return true;
}

/* `SIP / 2.0 / TLS host:port ;parameters`, blanks around the slashes allowed. */
bool
via_parse(struct sip_via *via, struct arena *arena, const char *text, size_t len)
{
        *via = (struct sip_via){ .text = arena_strndup(arena, text, len) };
        const char *at = via->text;
        const char *parts[3];
        size_t lens[3];
        for (int i = 0; i < 3; i++) {
                while (is_blank(*at))
                        at++;
                parts[i] = at;
                lens[i] = strcspn(at, " \t/;,<>\"@");
                at += lens[i];
                const char *word_end = at;
                while (is_blank(*at))
                        at++;
                if (lens[i] == 0 || (i < 2 && *at++ != '/') || (i == 2 && at == word_end))
                        return false;
        }
        if (lens[0] != 3 || strncasecmp(parts[0], "SIP", 3) != 0 || lens[1] != 3 || strncmp(parts[1], "2.0", 3) != 0)
                return false;
        char *transport = arena_strndup(arena, parts[2], lens[2]);
        for (char *c = transport; *c != '\0'; c++)
                if (*c >= 'a' && *c <= 'z')
                        *c -= 'a' - 'A';
        via->transport = transport;

        size_t host_len = strcspn(at, ";");
        const char *parameters = at + host_len;
        /* The colon before the port may have blanks around it. */
        char *sent_by = arena_alloc(arena, host_len + 5), *out = sent_by;
        memcpy(out, "sip:", 4);
        out += 4;
        for (size_t i = 0; i < host_len; i++)
                if (!is_blank(at[i]))
                        *out++ = at[i];
        struct sip_uri uri;
        if (!sip_uri_parse(&uri, arena, sent_by, (size_t)(out - sent_by)) || uri.user != NULL || uri.headers != NULL)
                return false;
        via->host = uri.host;
        via->port = uri.port;
        sip_parameter(arena, parameters, "branch", &via->branch);
        return true;
}

static bool
read_address(struct sip_message *message, const char *name, struct sip_address *address, struct sip_fault *fault)
{
        const char *text = only(message, name, fault);
        if (text == NULL)
                return false;
        if (!sip_address_parse(address, message->arena, text, strlen(text)) || address->star)
                return fault_set(fault, 400, "%s is malformed", name);
        return true;
}

static bool
read_call(struct sip_message *message, struct sip_fault *fault)
{
        const char *method = NULL, *cseq = only(message, "CSeq", fault);
        if (cseq == NULL)
                return false;
        if (!cseq_parse(message->arena, cseq, &message->cseq, &method))
                return fault_set(fault, 400, "CSeq is malformed");
        if (message->uri == NULL)
                message->method = method;
        else if (strcmp(method, message->method) != 0)
                return fault_set(fault, 400, "CSeq names another method");
        message->call_id = only(message, "Call-ID", fault);
        if (message->call_id == NULL)
                return false;
        /* A word of RFC 3261 may hold brackets and quotes, but no blank, comma or semicolon. */
        if (*message->call_id == '\0' || strpbrk(message->call_id, " \t,;") != NULL)
                return fault_set(fault, 400, "Call-ID is malformed");
        return true;
}

static bool
read_top_via(struct sip_message *message, struct sip_fault *fault)
{
        const char *text = sip_message_get(message, "Via"), *at = text;
        size_t len;
        if (text == NULL)
                return fault_set(fault, 400, "no Via");
        const char *first = sip_list_next(&at, &len);
        if (!via_parse(&message->via, message->arena, first, len))
                return fault_set(fault, 400, "the top Via is malformed");
        return true;
}

/* Record-Route and Route hold name-addrs with a host; they are followed or echoed, so each has to be one. */
static bool
has_sound_routes(struct sip_message *message, const char *name, struct sip_fault *fault)
{
        const char *elements[SIP_LIST_MAX];
        size_t count = sip_message_list(message, name, elements, SIP_LIST_MAX);
        for (size_t i = 0; i < count; i++) {
                struct sip_address address;
                if (!sip_address_parse(&address, message->arena, elements[i], strlen(elements[i])) || address.uri.host == NULL ||
                        strchr(elements[i], '<') == NULL)
                        return fault_set(fault, 400, "%s is malformed", name);
        }
        return true;
}

static bool
has_fair_parameters(const struct sip_message *message, struct sip_fault *fault)
{
        for (size_t i = 0; i < message->header_count; i++) {
                const struct header_kind *kind = header_kind_of(message->headers[i].name, strlen(message->headers[i].name));
                size_t parameters = 0;
                for (const char *at = message->headers[i].value; kind != NULL && (at = strchr(at, ';')) != NULL; at++)
                        parameters++;
                if (parameters > PARAMETERS_MAX) {
                        fault_set(fault, 513, "more than %d parameters in %s", PARAMETERS_MAX, message->headers[i].name);
                        fault->close = true;
                        return false;
                }
        }
        return true;
}

static bool
has_sound_form(struct sip_message *message, struct sip_fault *fault)
{
        if (!read_top_via(message, fault) || !has_fair_counts(message, fault) || !has_fair_parameters(message, fault) ||
                !read_address(message, "From", &message->from, fault) || !read_address(message, "To", &message->to, fault) ||
                !read_call(message, fault))
                return false;
        if (message->from.tag == NULL)
                return fault_set(fault, 400, "From has no tag");
        if (message->uri != NULL && sip_message_get(message, "Max-Forwards") != NULL &&
                sip_message_number(message, "Max-Forwards", 255) < 0)
                return fault_set(fault, 400, "Max-Forwards is not 0 to 255");
        if (!has_sound_routes(message, "Record-Route", fault) || !has_sound_routes(message, "Route", fault))
                return false;
        if (!grammar_holds(message))
                return fault_set(fault, 400, "the head does not follow the grammar of SIP");
        return true;
}

/* Whatever of From, To and so on can be read, for the answer to a message that cannot be served. */
static void
read_what_is_there(struct sip_message *message)
{
        struct sip_fault unused;
        read_address(message, "From", &message->from, &unused);
        read_address(message, "To", &message->to, &unused);
}

static bool
read_head(struct sip_message *message, const char *head, size_t head_len, struct sip_fault *fault)
{
        const char *at = head, *end = head + head_len;
        size_t len;
        bool sound = true;

        char *line = take_line(message->arena, &at, end, false, &len);
        if (line == NULL)
                return fault_set(fault, 0, "no start line");
        bool clean = !has_control(line, len);
        if (!clean && memchr(line, '\0', len) != NULL)
                return fault_set(fault, 0, "NUL in the start line");
        if (len >= 8 && strncasecmp(line, "SIP/2.0 ", 8) == 0) {
                if (!read_status_line(message, line + 8, fault))
                        return false;
        } else {
                sound = read_request_line(message, line, fault);
        }
        if (sound && !clean)
                sound = fault_set(fault, 400, "control character in the start line");
        /* All lines are read even when one is wrong: the answer needs the Via that stands behind it. */
        if (at < end && is_blank(*at) && sound)
                sound = fault_set(fault, 400, "the start line is folded");
        while ((line = take_line(message->arena, &at, end, true, &len)) != NULL) {
                struct sip_fault another;
                if (!add_line(message, line, len, sound ? fault : &another))
                        sound = false;
                if (message->header_count > SIP_HEAD_LINES)
                        break;
        }
        return sound;
}

struct sip_message *
sip_message_parse(
        const char *head, size_t head_len, const void *body, size_t body_len, struct sip_fault *fault, struct sip_message **partial)
{
        struct sip_message *message = message_alloc(head_len * 3 + body_len + 4096);

        *fault = (struct sip_fault){ 0 };
        if (partial != NULL)
                *partial = NULL;
        bool sound = read_head(message, head, head_len, fault);
        if (sound)
                sound = has_sound_form(message, fault);
        if (sound) {
                if (body_len > 0)
                        sip_message_set_body(message, NULL, body, body_len);
                return message;
        }
        if (message->status == 0 && message->method == NULL)
                fault->close = true; /* not even a request line */
        /* Responses and ACK are never answered (8.2.6, 17.1.1.3), nor is BENOTIFY. */
        if (message->status != 0 || message->method == NULL || strcmp(message->method, "ACK") == 0 ||
                strcmp(message->method, "BENOTIFY") == 0)
                fault->status = 0;
        if (fault->status != 0 && partial != NULL) {
                read_what_is_there(message);
                *partial = message;
        } else {
                sip_message_free(&message);
        }
        return NULL;
}

/* --- what a request asks for */

static const char *const served[] = { "INVITE", "ACK", "BYE", "CANCEL", "MESSAGE", "INFO", "OPTIONS", "SUBSCRIBE", "NOTIFY",
        "UPDATE", "BENOTIFY", "PRACK" };

static bool
has_usable_contact(const struct sip_message *request, struct sip_fault *fault)
{
        struct sip_address contact;
        if (!sip_message_is(request, "INVITE") && !sip_message_is(request, "SUBSCRIBE"))
                return true;
        if (!sip_message_contact(request, &contact) || contact.star || contact.uri.host == NULL)
                return fault_set(fault, 400, "no usable Contact");
        return true;
}

static bool
understands_required(const struct sip_message *request, struct sip_fault *fault)
{
        const char *options[SIP_LIST_MAX];
        size_t count = sip_message_list(request, "Require", options, SIP_LIST_MAX), len = 0;
        char unknown[sizeof fault->header] = "";
        for (size_t i = 0; i < count; i++) {
                if (strcasecmp(options[i], "timer") == 0 || *options[i] == '\0')
                        continue;
                int added = snprintf(unknown + len, sizeof unknown - len, "%s%s", len > 0 ? ", " : "", options[i]);
                if (added < 0 || (size_t)added >= sizeof unknown - len - sizeof "Unsupported: ") {
                        unknown[len] = '\0'; /* one that does not fit is left out */
                        if (len == 0)
                                snprintf(unknown, sizeof unknown, "unknown");
                        break;
                }
                len += (size_t)added;
        }
        if (unknown[0] == '\0')
                return true;
        fault_set(fault, 420, "a required extension is unknown");
        snprintf(fault->header, sizeof fault->header, "Unsupported: %.200s", unknown);
        return false;
}

bool
sip_message_check(const struct sip_message *request, struct sip_fault *fault)
{
        bool known = false;
        for (size_t i = 0; i < array_len(served); i++)
                known = known || sip_message_is(request, served[i]);
        *fault = (struct sip_fault){ 0 };
        if (!known) {
                fault_set(fault, 405, "method is not served");
                snprintf(fault->header, sizeof fault->header, "Allow: %s", sip_allow);
                return false;
        }
        if (request->target.scheme == SIP_SCHEME_OTHER)
                return fault_set(fault, 416, "Request-URI is no SIP URI");
        if (request->from.uri.host == NULL || request->to.uri.host == NULL)
                return fault_set(fault, 400, "From or To is no SIP URI");
        const struct sip_uri *uris[] = { &request->target, &request->from.uri, &request->to.uri };
        for (size_t i = 0; i < array_len(uris); i++) {
                const char *user = uris[i]->user != NULL ? sip_uri_decode_user(request->arena, uris[i]->user) : "";
                if (user == NULL)
                        return fault_set(fault, 400, "a user name is malformed");
                if (strlen(user) > USER_MAX)
                        return fault_set(fault, 400, "a user name is too long");
        }
        if (!understands_required(request, fault))
                return false;
        const char *encoding = sip_message_get(request, "Content-Encoding");
        if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
                fault_set(fault, 415, "Content-Encoding is not served");
                snprintf(fault->header, sizeof fault->header, "Accept-Encoding: identity");
                return false;
        }
        if (sip_message_get(request, "Content-Type") != NULL && sip_message_content_type(request) == NULL)
                return fault_set(fault, 400, "Content-Type is malformed");
        return has_usable_contact(request, fault);
}

bool
sip_message_has_looped(const struct sip_message *request, const char *fqdn, uint16_t port)
{
        const char *vias[SIP_LIST_MAX];
        size_t count = sip_message_list(request, "Via", vias, SIP_LIST_MAX);
        for (size_t i = 0; i < count; i++) {
                struct sip_via via;
                if (strcasestr(vias[i], fqdn) == NULL || !via_parse(&via, request->arena, vias[i], strlen(vias[i])) ||
                        strcasecmp(via.host, fqdn) != 0)
                        continue;
                uint16_t named = via.port != 0 ? via.port : strcmp(via.transport, "TLS") == 0 ? 5061 : 5060;
                if (named == port)
                        return true;
        }
        return false;
}
