/*
 * dialer.c - target after target of a domain
 */
#include "shared/dns/dialer.h"

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/connect.h"
#include "shared/loop/timer.h"

#include <stdio.h>
#include <string.h>

enum {
        TARGETS_MAX = 16, /* that are tried */
        LEFT_MAX = 3,     /* further addresses of a target that has let a connection fail */
        /* A silent target must not eat the time in which the next one could answer: two lost SYNs (1 s, then 2 s) fit into it. The last one may be
         * slow: nothing is lost by waiting for a third. */
        SILENT_MS = 3000,
        LAST_SILENT_MS = 8000,
        /* With targets of one service at hand the answer for the other is awaited so long: some name servers say nothing about names they do not
         * know. */
        PATIENCE_MS = 1000,
        NAME_MAX_TEXT = 320,
};

enum { PLAIN, DIRECT, SERVICES };

struct service {
        struct dialer *dialer;
        struct dns_query *query;
        const char *name; /* NULL: not asked for */
        bool is_told;
        enum dns_outcome outcome; /* DNS_FOUND without targets: not offered */
};

struct dialer {
        struct dns *dns;
        const struct dialer_events *events;
        void *owner;
        char domain[256];
        uint16_t port;
        bool from_srv;
        struct service services[SERVICES];
        struct dns_target *targets;
        size_t count, at; /* at: the next to be tried */
        struct dns_query *query;
        struct connect *connect;
        struct address last; /* of the connection that was given */
        struct address left[LEFT_MAX];
        size_t left_count; /* addresses of that target which nobody has tried */
        bool is_again;
        struct timer step, patience;
        enum dialer_end end;
        struct err why;
};

static void
note(struct dialer *dialer, enum dialer_end what, bool is_good, const char *text)
{
        if (dialer->events->noted != NULL)
                dialer->events->noted(dialer->owner, what, is_good, text);
}

static void
fail(struct dialer *dialer, enum dialer_end end, const char *text)
{
        dialer->end = end;
        err_set(&dialer->why, "%s", text);
        note(dialer, end, false, text);
}

/* ---- targets ---- */

static void try_next(struct timer *timer);

static void
say_exhausted(struct timer *timer)
{
        struct dialer *dialer = container_of(timer, struct dialer, step);

        dialer->events->exhausted(dialer->owner, dialer->end, dialer->why.text);
}

static const enum dialer_end ends[] = {
        [CONNECT_REFUSED] = DIALER_REFUSED,
        [CONNECT_SILENT] = DIALER_SILENT,
        [CONNECT_UNREACHABLE] = DIALER_UNREACHABLE,
};

static void
give_connection(struct dialer *dialer, const struct connect_result *result)
{
        const struct dns_target *found = &dialer->targets[dialer->at - 1];
        struct dialer_target target = { .port = found->port, .is_direct = found->is_direct, .from_srv = dialer->from_srv };
        struct address address = *result->address;

        snprintf(target.host, sizeof(target.host), "%s", found->host);
        if (!dialer->is_again) {
                dialer->left_count = result->left_count < LEFT_MAX ? result->left_count : LEFT_MAX;
                if (dialer->left_count > 0)
                        memcpy(dialer->left, result->left, dialer->left_count * sizeof(dialer->left[0]));
        }
        dialer->last = address;
        dialer->end = DIALER_EXHAUSTED;
        dialer->events->connected(dialer->owner, result->fd, &target, &address);
}

static void
take_connection(void *owner, const struct connect_result *result)
{
        struct dialer *dialer = owner;
        char text[ADDRESS_TEXT];

        dialer->connect = NULL;
        if (result->end != CONNECT_DONE) {
                fail(dialer, ends[result->end], result->why);
                try_next(&dialer->step);
                return;
        }
        if (result->why[0] != '\0')
                note(dialer, DIALER_REFUSED, false, result->why);
        note(dialer, DIALER_EXHAUSTED, true, address_format(text, result->address));
        give_connection(dialer, result);
}

static void
race(struct dialer *dialer, const struct address *addresses, size_t count)
{
        bool is_last = dialer->at == dialer->count && dialer->left_count == 0;

        dialer->connect = connect_new(addresses, count, is_last ? LAST_SILENT_MS : SILENT_MS, take_connection, dialer);
}

static void
take_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct dialer *dialer = owner;
        const struct dns_target *target = &dialer->targets[dialer->at - 1];
        struct buf text = { 0 };
        char one[ADDRESS_TEXT];

        dialer->query = NULL;
        buf_printf(&text, "%s: ", target->host);
        if (outcome == DNS_FOUND) {
                for (size_t i = 0; i < count; i++)
                        buf_printf(&text, "%s%s", i > 0 ? ", " : "", address_format_host(one, &addresses[i]));
                note(dialer, DIALER_NO_NAME, true, buf_text(&text));
                race(dialer, addresses, count);
        } else {
                buf_puts(&text,
                        outcome != DNS_NONE        ? "DNS gave no answer"
                                : dialer->from_srv ? "there is no such name, or it has no address"
                                                   : "there is no such name, or it has neither SRV records nor an address");
                fail(dialer, outcome == DNS_NONE ? DIALER_NO_NAME : DIALER_DNS_FAILED, buf_text(&text));
                timer_start(&dialer->step, 0, try_next); /* the answer may have come from inside the call */
        }
        buf_free(&text);
}

static void
try_left(struct dialer *dialer)
{
        size_t count = dialer->left_count;

        dialer->left_count = 0;
        race(dialer, dialer->left, count);
}

static void
try_next(struct timer *timer)
{
        struct dialer *dialer = container_of(timer, struct dialer, step);
        struct dns_query *query;

        dialer->is_again = false;
        if (dialer->left_count > 0) {
                try_left(dialer);
                return;
        }
        if (dialer->at == dialer->count) {
                timer_start(&dialer->step, 0, say_exhausted);
                return;
        }
        const struct dns_target *target = &dialer->targets[dialer->at++];
        if ((query = dns_lookup(dialer->dns, target->host, target->port, take_addresses, dialer)) != NULL)
                dialer->query = query;
}

/* ---- SRV ---- */

/* XEP-0368 3: the targets of both services as if they were of one. Those of many more than anyone needs that come last are not tried. */
static void
order_targets(struct dialer *dialer)
{
        dns_order_targets(dialer->targets, dialer->count);
        if (dialer->count > TARGETS_MAX)
                dialer->count = TARGETS_MAX;
        dialer->from_srv = true;
}

static void
use_domain_itself(struct dialer *dialer)
{
        dialer->targets = mem_resize(dialer->targets, 1, sizeof(*dialer->targets));
        dialer->targets[0] = (struct dns_target){ .port = dialer->port };
        snprintf(dialer->targets[0].host, sizeof(dialer->targets[0].host), "%s", dialer->domain);
        dialer->count = 1;
}

static void
end_without_target(struct dialer *dialer, enum dialer_end end, const struct service *service, const char *text)
{
        char line[NAME_MAX_TEXT + 80];

        snprintf(line, sizeof(line), "%s.%s: %s", service->name, dialer->domain, text);
        fail(dialer, end, line);
        timer_start(&dialer->step, 0, say_exhausted);
}

static void
choose_targets(struct dialer *dialer)
{
        const struct service *plain = &dialer->services[PLAIN], *direct = &dialer->services[DIRECT];

        timer_stop(&dialer->patience);
        if (dialer->count > 0) {
                order_targets(dialer);
        } else if (plain->outcome == DNS_FAILED || direct->outcome == DNS_FAILED) {
                /* Perhaps there are records: the domain's own address is not asked instead (RFC 2782). */
                end_without_target(dialer, DIALER_DNS_FAILED, plain->outcome == DNS_FAILED ? plain : direct,
                        "DNS gave no answer; without the SRV records nothing is tried");
                return;
        } else if (plain->outcome == DNS_FOUND) {
                end_without_target(
                        dialer, DIALER_NOT_OFFERED, plain, "the target is \".\": the domain does not offer this service");
                return;
        } else {
                /* "." for direct TLS alone denies that and nothing else. */
                use_domain_itself(dialer);
        }
        timer_start(&dialer->step, 0, try_next);
}

static void
describe(const struct service *service, const struct dns_target *targets, size_t count)
{
        struct buf text = { 0 };

        buf_printf(&text, "%s.%s:", service->name, service->dialer->domain);
        if (service->outcome != DNS_FOUND)
                buf_puts(&text, service->outcome == DNS_NONE ? " none" : " DNS gave no answer");
        else if (count == 0)
                buf_puts(&text, " not offered");
        for (size_t i = 0; i < count; i++)
                buf_printf(&text, "%s %u %u %u %s", i > 0 ? "," : "", targets[i].priority, targets[i].weight, targets[i].port,
                        targets[i].host);
        note(service->dialer, service->outcome == DNS_FAILED ? DIALER_DNS_FAILED : DIALER_NO_NAME, service->outcome != DNS_FAILED,
                buf_text(&text));
        buf_free(&text);
}

static void
lose_patience(struct timer *timer)
{
        struct dialer *dialer = container_of(timer, struct dialer, patience);

        for (int i = 0; i < SERVICES; i++) {
                struct service *service = &dialer->services[i];
                if (service->is_told)
                        continue;
                dns_cancel(&service->query);
                service->is_told = true;
                service->outcome = DNS_FAILED;
                describe(service, NULL, 0);
        }
        choose_targets(dialer);
}

static void
add_targets(struct service *service, const struct dns_target *targets, size_t count)
{
        struct dialer *dialer = service->dialer;

        dialer->targets = mem_resize(dialer->targets, dialer->count + count, sizeof(*dialer->targets));
        for (size_t i = 0; i < count; i++) {
                dialer->targets[dialer->count] = targets[i];
                dialer->targets[dialer->count++].is_direct = service == &dialer->services[DIRECT];
        }
}

static void
take_targets(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count)
{
        struct service *service = owner;
        struct dialer *dialer = service->dialer;

        service->query = NULL;
        service->is_told = true;
        service->outcome = outcome == DNS_CANCELLED ? DNS_FAILED : outcome;
        describe(service, targets, count);
        if (count > 0)
                add_targets(service, targets, count);
        if (dialer->services[PLAIN].is_told && dialer->services[DIRECT].is_told)
                choose_targets(dialer);
        else if (count > 0)
                timer_start(&dialer->patience, PATIENCE_MS, lose_patience);
}

static void
look_up(struct service *service)
{
        char name[NAME_MAX_TEXT];
        struct dns_query *query;

        snprintf(name, sizeof(name), "%s.%s", service->name, service->dialer->domain);
        if ((query = dns_lookup_srv(service->dialer->dns, name, take_targets, service)) != NULL)
                service->query = query;
}

static void
begin(struct timer *timer)
{
        struct dialer *dialer = container_of(timer, struct dialer, step);
        struct address literal;

        for (int i = 0; i < SERVICES; i++)
                if (dialer->services[i].name == NULL || address_from_host(&literal, dialer->domain, dialer->port)) {
                        dialer->services[i].is_told = true;
                        dialer->services[i].outcome = DNS_NONE;
                }
        if (dialer->services[PLAIN].is_told && dialer->services[DIRECT].is_told) {
                choose_targets(dialer);
                return;
        }
        for (int i = 0; i < SERVICES; i++)
                if (!dialer->services[i].is_told)
                        look_up(&dialer->services[i]);
}

struct dialer *
dialer_new(struct dns *dns, const struct dialer_rules *rules, const struct dialer_events *events, void *owner)
{
        struct dialer *dialer = MEM_NEW(dialer);

        dialer->dns = dns;
        dialer->events = events;
        dialer->owner = owner;
        dialer->port = rules->port;
        dialer->end = DIALER_NO_NAME;
        snprintf(dialer->domain, sizeof(dialer->domain), "%s", rules->domain);
        dialer->services[PLAIN] = (struct service){ .dialer = dialer, .name = rules->service };
        dialer->services[DIRECT] = (struct service){ .dialer = dialer, .name = rules->direct_service };
        timer_start(&dialer->step, 0, begin);
        return dialer;
}

void
dialer_next(struct dialer *dialer)
{
        must(dialer->connect == NULL && dialer->query == NULL);
        err_set(&dialer->why, "%s", "");
        timer_start(&dialer->step, 0, try_next);
}

static void
race_again(struct timer *timer)
{
        struct dialer *dialer = container_of(timer, struct dialer, step);

        dialer->is_again = true;
        race(dialer, &dialer->last, 1);
}

void
dialer_again(struct dialer *dialer)
{
        must(dialer->connect == NULL && dialer->query == NULL);
        timer_start(&dialer->step, 0, race_again);
}

void
dialer_free(struct dialer **reference)
{
        struct dialer *dialer = *reference;

        *reference = NULL;
        if (dialer == NULL)
                return;
        timer_stop(&dialer->step);
        timer_stop(&dialer->patience);
        for (int i = 0; i < SERVICES; i++)
                if (dialer->services[i].query != NULL)
                        dns_cancel(&dialer->services[i].query);
        if (dialer->query != NULL)
                dns_cancel(&dialer->query);
        connect_free(&dialer->connect);
        mem_free(dialer->targets);
        mem_free(dialer);
}
