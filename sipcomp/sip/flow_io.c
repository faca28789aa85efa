/*
 * flow_io.c - the messages of a connection: bytes that come are framed, read and handed up; what leaves is printed with the Via, Contact and
 * Record-Route of this connection
 */
#include "sipcomp/sip/sip_private.h"
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>
#include <string.h>

/* --- input */

static void
answer_refused(struct sip_flow *flow, struct sip_message *message, const struct sip_fault *fault)
{
        message->flow = flow->id;
        flow->transport->events->refused(flow->transport->owner, flow, message, fault);
}

static void
tap(const struct sip_flow *flow, const struct sip_message *message, bool is_sent, const struct sip_frame *frame)
{
        struct sip_transport *transport = flow->transport;
        if (transport->tap != NULL)
                transport->tap(transport->tap_owner,
                        &(struct sip_tapped){ .flow = flow,
                                .message = message,
                                .is_sent = is_sent,
                                .head = frame->head,
                                .head_len = frame->head_len,
                                .body = frame->body,
                                .body_len = frame->body_len });
}

static void
take_message(struct sip_flow *flow, const struct sip_frame *frame)
{
        struct sip_fault fault;
        struct sip_message *partial,
                *message = sip_message_parse(frame->head, frame->head_len, frame->body, frame->body_len, &fault, &partial);

        log_trace(&flow->log, "received %.*s%.*s", (int)frame->head_len, frame->head, (int)frame->body_len, frame->body);
        flow->messages_received++;
        tap(flow, message != NULL ? message : partial, false, frame);
        if (message != NULL) {
                message->flow = flow->id;
                flow->transport->events->message(flow->transport->owner, flow, message);
                return;
        }
        if (flow_may_complain(flow))
                log_info(&flow->log, "refused: %s", fault.why);
        if (partial != NULL)
                answer_refused(flow, partial, &fault);
        sip_message_free(&partial);
        if (fault.close)
                flow_end(flow, fault.why);
}

/* The stream cannot be read any further; the sender of a request is told why if the head tells who that is. */
static void
give_up(struct sip_flow *flow, const struct sip_frame *frame)
{
        struct sip_fault fault = { .status = frame->status, .close = true }, unused;
        struct sip_message *partial = NULL, *message = NULL;

        if (frame->status != 0 ? flow_may_complain(flow) : false)
                log_info(&flow->log, "refused: %s", frame->why);
        else
                log_debug(&flow->log, "refused: %s", frame->why);
        snprintf(fault.why, sizeof fault.why, "%s", frame->why);
        if (frame->head != NULL)
                message = sip_message_parse(frame->head, frame->head_len, NULL, 0, &unused, &partial);
        if (message == NULL) {
                message = partial;
        } else if (message->status != 0 || sip_message_is(message, "ACK") || sip_message_is(message, "BENOTIFY")) {
                sip_message_free(&message);
        }
        if (message != NULL)
                answer_refused(flow, message, &fault);
        sip_message_free(&message);
        flow_end(flow, frame->why);
}

/* A line end alone may become a ping by one more; where an answer to ours is due it is that. */
static bool
is_pong(const struct sip_flow *flow, const char *bytes, size_t len)
{
        return flow->pinged != 0 && len == 2 && memcmp(bytes, "\r\n", 2) == 0;
}

size_t
flow_hear_data(void *owner, const char *bytes, size_t len)
{
        struct sip_flow *flow = owner;
        size_t taken = 0;
        bool pinged = false;

        while (taken < len && flow->state == FLOW_READY) {
                struct sip_frame frame;
                enum sip_framing found = sip_frame_next(&flow->framer, bytes + taken, len - taken, &frame);
                if (found == SIP_FRAME_MORE) {
                        if (is_pong(flow, bytes + taken, len - taken)) {
                                flow->answers_pings = true;
                                flow->pinged = 0;
                                taken = len;
                        } else if (flow->message_since == 0 && bytes[taken] != '\r') {
                                flow->message_since = worker_now();
                        }
                        break;
                }
                flow->message_since = 0;
                taken += frame.used;
                if (found == SIP_FRAME_PING) {
                        /* However many pings came at once, one answer says all there is to say. */
                        if (!pinged)
                                conn_send(flow->conn, "\r\n", 2);
                        pinged = true;
                } else if (found == SIP_FRAME_MESSAGE) {
                        take_message(flow, &frame);
                } else if (found == SIP_FRAME_BROKEN) {
                        give_up(flow, &frame);
                }
        }
        return flow->state == FLOW_READY ? taken : len;
}

/* --- output */

/* `sip.example.com:5061` */
static void
format_place(char *text, size_t room, const struct sip_flow *flow)
{
        snprintf(text, room, "%s:%u", flow->transport->fqdn, sip_transport_port(flow->transport, flow->wire));
}

bool
sip_flow_send(struct sip_flow *flow, struct sip_message *message, const char *branch)
{
        char via[400], contact[1600], record_route[400], place[300];
        struct print_extra extra = { 0 };
        const char *parameter = flow->wire == SIP_TLS ? "tls" : "tcp";

        if (flow->state != FLOW_READY)
                return false;
        if (conn_queued(flow->conn) > FLOW_QUEUE_MAX) {
                log_warn(&flow->log, "closed: it does not read what it is sent");
                flow_end(flow, "it does not read what it is sent");
                return false;
        }
        format_place(place, sizeof place, flow);
        if (message->status == 0 && branch != NULL) {
                snprintf(via, sizeof via, "SIP/2.0/%s %s;branch=%s", sip_wire_name(flow->wire), place, branch);
                extra.via = via;
        }
        if (message->contact_user != NULL) {
                bool bare = message->contact_user[0] == '\0';
                snprintf(contact, sizeof contact, "<sip:%.1100s%s%s;transport=%s>", message->contact_user, bare ? "" : "@", place,
                        parameter);
                extra.contact = contact;
        }
        if (flow->transport->record_route && message_takes_record_route(message)) {
                snprintf(record_route, sizeof record_route, "<sip:%s;transport=%s;lr>", place, parameter);
                extra.record_route = record_route;
        }
        struct buf text = { 0 };
        message_print(message, &extra, &text);
        log_trace(&flow->log, "sent %.*s", (int)text.len, buf_data(&text));
        flow->messages_sent++;
        size_t head_len = text.len - message->body_len;
        tap(flow, message, true,
                &(struct sip_frame){ .head = buf_data(&text),
                        .head_len = head_len,
                        .body = buf_data(&text) + head_len,
                        .body_len = message->body_len });
        conn_send(flow->conn, buf_data(&text), text.len);
        buf_free(&text);
        flow->last_sent = worker_now();
        return true;
}
