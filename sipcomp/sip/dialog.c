/*
 * dialog.c - dialogs as plain records
 *
 * What the other side signed (Record-Route, Contact, parameters of From and To) is kept as text: one changed byte and a Microsoft edge
 * refuses the request.
 */
#include "sipcomp/sip/dialog.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"

#include <string.h>
#include <strings.h>

enum {
        RECORD_VERSION = 1,
        CSEQ_STORED_MAX = 1 << 30, /* a number is below 2^31 (RFC 3261 8.1.1.5); no dialog of ours comes near it */
};

static char *
copy_text(const char *text)
{
        return text != NULL ? mem_strdup(text) : NULL;
}

/* A Request-URI has no headers part (19.1.1, table 1); it is the end of the text. */
static char *
target_of(const struct sip_uri *uri)
{
        char *text = mem_strdup(uri->text);
        if (uri->headers != NULL)
                text[strlen(text) - strlen(uri->headers) - 1] = '\0';
        return text;
}

static bool
take_target(struct sip_dialog *dialog, const struct sip_message *message)
{
        struct sip_address contact;
        if (!sip_message_contact(message, &contact) || contact.star || contact.uri.host == NULL)
                return false;
        mem_free(dialog->target);
        dialog->target = target_of(&contact.uri);
        return true;
}

/* own_host: an entry of ours stands there because record-route-transport put it there; following it would lead to us. */
static void
take_routes(struct sip_dialog *dialog, const struct sip_message *message, bool reverse, const char *own_host)
{
        const char *elements[SIP_LIST_MAX];
        size_t count = sip_message_list(message, "Record-Route", elements, SIP_LIST_MAX);
        dialog->routes = mem_array(count > 0 ? count : 1, sizeof *dialog->routes);
        for (size_t i = 0; i < count; i++) {
                const char *element = elements[reverse ? count - 1 - i : i];
                struct sip_address address;
                if (own_host != NULL && sip_address_parse(&address, message->arena, element, strlen(element)) &&
                        address.uri.host != NULL && strcasecmp(address.uri.host, own_host) == 0)
                        continue;
                dialog->routes[dialog->route_count++] = mem_strdup(element);
        }
}

struct sip_dialog *
sip_dialog_of_client(const struct sip_message *request, const struct sip_message *response, const char *own_host)
{
        bool is_response = response->status != 0;
        const struct sip_address *theirs = is_response ? &response->to : &response->from;
        struct sip_dialog *dialog = MEM_NEW(dialog);

        if (theirs->tag == NULL || !take_target(dialog, response)) {
                sip_dialog_free(&dialog);
                return NULL;
        }
        dialog->call_id = mem_strdup(request->call_id);
        dialog->local = mem_strdup(request->from.text);
        dialog->local_tag = mem_strdup(request->from.tag);
        dialog->remote = mem_strdup(theirs->text);
        dialog->remote_tag = mem_strdup(theirs->tag);
        dialog->local_cseq = request->cseq;
        dialog->contact_user = copy_text(request->contact_user);
        dialog->flow = response->flow;
        take_routes(dialog, response, is_response, own_host);
        return dialog;
}

struct sip_dialog *
sip_dialog_of_server(const struct sip_message *request, const char *local_tag, const char *contact_user, const char *own_host)
{
        struct sip_dialog *dialog = MEM_NEW(dialog);

        if (!take_target(dialog, request)) {
                sip_dialog_free(&dialog);
                return NULL;
        }
        struct buf local = { 0 };
        buf_puts(&local, request->to.text);
        if (request->to.tag == NULL)
                buf_printf(&local, ";tag=%s", local_tag);
        dialog->call_id = mem_strdup(request->call_id);
        dialog->local = mem_strdup(buf_text(&local));
        dialog->local_tag = mem_strdup(local_tag);
        dialog->remote = mem_strdup(request->from.text);
        dialog->remote_tag = mem_strdup(request->from.tag);
        dialog->remote_cseq = request->cseq;
        dialog->remote_cseq_known = true;
        dialog->contact_user = copy_text(contact_user);
        dialog->flow = request->flow;
        take_routes(dialog, request, false, own_host);
        buf_free(&local);
        return dialog;
}

void
sip_dialog_free(struct sip_dialog **dialog)
{
        struct sip_dialog *d = *dialog;
        if (d == NULL)
                return;
        *dialog = NULL;
        for (size_t i = 0; i < d->route_count; i++)
                mem_free(d->routes[i]);
        mem_free(d->routes);
        mem_free(d->call_id);
        mem_free(d->local);
        mem_free(d->remote);
        mem_free(d->local_tag);
        mem_free(d->remote_tag);
        mem_free(d->target);
        mem_free(d->contact_user);
        mem_free(d);
}

void
sip_dialog_key(struct buf *key, const char *call_id, const char *local_tag)
{
        /* The terminator in between keeps two pairs apart that read alike in a row. */
        buf_put(key, call_id, strlen(call_id) + 1);
        buf_puts(key, local_tag);
}

bool
sip_dialog_matches(const struct sip_dialog *dialog, const struct sip_message *request)
{
        return dialog->remote_tag == NULL || text_equal(dialog->remote_tag, request->from.tag);
}

static bool
refreshes_target(const struct sip_message *message)
{
        return sip_message_is(message, "INVITE") || sip_message_is(message, "SUBSCRIBE") || sip_message_is(message, "NOTIFY") ||
                sip_message_is(message, "UPDATE");
}

int
sip_dialog_receive(struct sip_dialog *dialog, const struct sip_message *request)
{
        if (dialog->remote_cseq_known && request->cseq <= dialog->remote_cseq)
                return 500;
        dialog->remote_cseq = request->cseq;
        dialog->remote_cseq_known = true;
        dialog->flow = request->flow;
        if (refreshes_target(request))
                take_target(dialog, request);
        return 0;
}

void
sip_dialog_answered(struct sip_dialog *dialog, const struct sip_message *response)
{
        if (response->status >= 200 && response->status < 300 && refreshes_target(response) && !sip_message_is(response, "NOTIFY"))
                take_target(dialog, response);
}

/* A route without `lr` is a strict router: it wants to be the Request-URI itself, with the target as the last route (12.2.1.1). */
static bool
begins_strict(const struct sip_dialog *dialog, struct arena *arena, struct sip_address *first)
{
        return dialog->route_count > 0 && sip_address_parse(first, arena, dialog->routes[0], strlen(dialog->routes[0])) &&
                first->uri.host != NULL && !sip_parameter(arena, first->uri.parameters, "lr", NULL);
}

/* NULL where the dialog does not make a whole request, which only a damaged record can bring about. */
static struct sip_message *
compose_request(const struct sip_dialog *dialog, const char *method, uint32_t cseq)
{
        struct arena *scratch = arena_new(1024);
        struct sip_address first;
        bool strict = begins_strict(dialog, scratch, &first);
        struct sip_message *request = sip_request_bare(method, strict ? first.uri.text : dialog->target);

        sip_message_add(request, "Max-Forwards", "70");
        for (size_t i = strict ? 1 : 0; i < dialog->route_count; i++)
                sip_message_add(request, "Route", dialog->routes[i]);
        if (strict)
                sip_message_addf(request, "Route", "<%s>", dialog->target);
        sip_message_add(request, "From", dialog->local);
        sip_message_add(request, "To", dialog->remote);
        sip_message_add(request, "Call-ID", dialog->call_id);
        sip_message_addf(request, "CSeq", "%u %s", cseq, method);
        if (!sip_message_complete(request))
                sip_message_free(&request);
        arena_free(&scratch);
        return request;
}

static struct sip_message *
build_request(const struct sip_dialog *dialog, const char *method, uint32_t cseq)
{
        struct sip_message *request = compose_request(dialog, method, cseq);

        must(request != NULL);
        return request;
}

struct sip_message *
sip_dialog_request(struct sip_dialog *dialog, const char *method, bool with_contact)
{
        struct sip_message *request = build_request(dialog, method, ++dialog->local_cseq);
        if (with_contact && dialog->contact_user != NULL)
                sip_message_set_contact_user(request, dialog->contact_user);
        return request;
}

struct sip_message *
sip_dialog_ack(const struct sip_dialog *dialog, uint32_t cseq)
{
        return build_request(dialog, "ACK", cseq);
}

bool
sip_dialog_next(const struct sip_dialog *dialog, struct arena *arena, struct sip_uri *next)
{
        struct sip_address first;
        if (dialog->route_count > 0) {
                if (!sip_address_parse(&first, arena, dialog->routes[0], strlen(dialog->routes[0])))
                        return false;
                *next = first.uri;
        } else if (!sip_uri_parse(next, arena, dialog->target, strlen(dialog->target))) {
                return false;
        }
        return next->host != NULL;
}

/* --- the record */

void
sip_dialog_encode(const struct sip_dialog *dialog, struct buf *out)
{
        encode_u8(out, RECORD_VERSION);
        encode_text(out, dialog->call_id);
        encode_text(out, dialog->local);
        encode_text(out, dialog->remote);
        encode_text(out, dialog->local_tag);
        encode_text(out, dialog->remote_tag);
        encode_u32(out, dialog->local_cseq);
        encode_u32(out, dialog->remote_cseq);
        encode_u8(out, dialog->remote_cseq_known);
        encode_text(out, dialog->target);
        encode_text(out, dialog->contact_user);
        encode_u32(out, (uint32_t)dialog->route_count);
        for (size_t i = 0; i < dialog->route_count; i++)
                encode_text(out, dialog->routes[i]);
}

static char *
take_text(struct cursor *cursor, struct arena *scratch)
{
        return copy_text(decode_text(cursor, scratch));
}

/* Can requests be built from what the record says? */
static bool
is_whole(const struct sip_dialog *dialog, struct arena *scratch)
{
        struct sip_uri uri;

        if (dialog->local_cseq > CSEQ_STORED_MAX || dialog->call_id == NULL || dialog->local_tag == NULL || dialog->local == NULL ||
                dialog->remote == NULL || dialog->target == NULL ||
                !sip_uri_parse(&uri, scratch, dialog->target, strlen(dialog->target)))
                return false;
        struct sip_message *request = compose_request(dialog, "BYE", dialog->local_cseq);
        bool is_fine = request != NULL;
        sip_message_free(&request);
        return is_fine;
}

struct sip_dialog *
sip_dialog_decode(struct cursor *cursor)
{
        struct arena *scratch = arena_new(2048);
        struct sip_dialog *dialog = MEM_NEW(dialog);

        uint8_t version = decode_u8(cursor);
        dialog->call_id = take_text(cursor, scratch);
        dialog->local = take_text(cursor, scratch);
        dialog->remote = take_text(cursor, scratch);
        dialog->local_tag = take_text(cursor, scratch);
        dialog->remote_tag = take_text(cursor, scratch);
        dialog->local_cseq = decode_u32(cursor);
        dialog->remote_cseq = decode_u32(cursor);
        dialog->remote_cseq_known = decode_u8(cursor) != 0;
        dialog->target = take_text(cursor, scratch);
        dialog->contact_user = take_text(cursor, scratch);
        uint32_t count = decode_u32(cursor);
        bool broken = version != RECORD_VERSION || count > SIP_LIST_MAX;
        dialog->routes = mem_array(broken || count == 0 ? 1 : count, sizeof *dialog->routes);
        for (uint32_t i = 0; !broken && i < count; i++) {
                struct sip_address address;
                char *route = take_text(cursor, scratch);
                if (route == NULL || !sip_address_parse(&address, scratch, route, strlen(route))) {
                        mem_free(route);
                        broken = true;
                        break;
                }
                dialog->routes[dialog->route_count++] = route;
        }
        if (broken || cursor->broken || !is_whole(dialog, scratch))
                sip_dialog_free(&dialog);
        arena_free(&scratch);
        return dialog;
}
