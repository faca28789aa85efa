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
        TARGETS_MAX = 32,
        /* A silent target must not eat the time in which the next one could answer; the last one may be slow. */
        SILENT_MS = 3000,
        LAST_SILENT_MS = 8000,
        NAME_MAX_TEXT = 320,
};

struct service {
        struct dialer *dialer;
        struct dns_query *query;
        const char *name; /* NULL: not asked for */
        bool is_direct, is_told;
        enum dns_outcome outcome;
        size_t found; /* targets; 0 with DNS_FOUND: "not offered" */
};

struct dialer {
        struct dns *dns;
        const struct dialer_events *events;
        void *owner;
        char domain[256];
        uint16_t port;
        struct service services[2];
        struct ranked {
                struct dialer_target target;
                uint16_t priority;
        } targets[TARGETS_MAX];
        size_t count, at; /* at: the next to be tried */
        struct dns_query *query;
        struct connect *connect;
        struct address last; /* of the connection that was given */
        struct timer step;
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

/* By priority; of one priority those with TLS from the first byte first: they save a round trip. The DNS has drawn the order within each by weight. */
static void
add_target(struct dialer *dialer, const struct dns_target *found, bool is_direct)
{
        size_t at = dialer->count;

        if (dialer->count == TARGETS_MAX)
                return;
        while (at > 0 &&
                (dialer->targets[at - 1].priority > found->priority ||
                        (dialer->targets[at - 1].priority == found->priority && is_direct &&
                                !dialer->targets[at - 1].target.is_direct)))
                at--;
        memmove(&dialer->targets[at + 1], &dialer->targets[at], (dialer->count - at) * sizeof(dialer->targets[0]));
        dialer->count++;
        struct ranked *ranked = &dialer->targets[at];
        ranked->priority = found->priority;
        ranked->target = (struct dialer_target){ .port = found->port, .is_direct = is_direct, .from_srv = true };
        snprintf(ranked->target.host, sizeof(ranked->target.host), "%s", found->host);
}

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
take_connection(void *owner, enum connect_end end, int fd, const struct address *address, const char *why)
{
        struct dialer *dialer = owner;
        char text[ADDRESS_TEXT + 20];

        dialer->connect = NULL;
        if (end != CONNECT_DONE) {
                fail(dialer, ends[end], why);
                try_next(&dialer->step);
                return;
        }
        if (why[0] != '\0')
                note(dialer, DIALER_REFUSED, false, why);
        note(dialer, DIALER_EXHAUSTED, true, address_format(text, address));
        dialer->last = *address;
        dialer->end = DIALER_EXHAUSTED;
        dialer->events->connected(dialer->owner, fd, &dialer->targets[dialer->at - 1].target, address);
}

static void
race(struct dialer *dialer, const struct address *addresses, size_t count)
{
        dialer->connect =
                connect_new(addresses, count, dialer->at < dialer->count ? SILENT_MS : LAST_SILENT_MS, take_connection, dialer);
}

static void
take_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct dialer *dialer = owner;
        const struct dialer_target *target = &dialer->targets[dialer->at - 1].target;
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
                buf_puts(&text, outcome == DNS_NONE ? "there is no such name, or it has no address" : "DNS gave no answer");
                fail(dialer, outcome == DNS_NONE ? DIALER_NO_NAME : DIALER_DNS_FAILED, buf_text(&text));
                timer_start(&dialer->step, 0, try_next); /* the answer may have come from inside the call */
        }
        buf_free(&text);
}

static void
try_next(struct timer *timer)
{
        struct dialer *dialer = container_of(timer, struct dialer, step);
        struct dns_query *query;

        if (dialer->at == dialer->count) {
                timer_start(&dialer->step, 0, say_exhausted);
                return;
        }
        const struct dialer_target *target = &dialer->targets[dialer->at++].target;
        if ((query = dns_lookup(dialer->dns, target->host, target->port, take_addresses, dialer)) != NULL)
                dialer->query = query;
}

/* ---- SRV ---- */

static void
choose_targets(struct dialer *dialer)
{
        const struct service *plain = &dialer->services[0], *direct = &dialer->services[1];
        bool refused = plain->outcome == DNS_FOUND || direct->outcome == DNS_FOUND;
        bool failed = plain->outcome == DNS_FAILED || direct->outcome == DNS_FAILED;

        if (dialer->count > 0) {
                timer_start(&dialer->step, 0, try_next);
        } else if (failed) {
                /* Perhaps there are records: the domain's own address is not asked instead (RFC 2782). */
                fail(dialer, DIALER_DNS_FAILED, "the SRV records could not be looked up");
                timer_start(&dialer->step, 0, say_exhausted);
        } else if (refused) {
                fail(dialer, DIALER_NOT_OFFERED, "the target of the SRV record is \".\": not offered");
                timer_start(&dialer->step, 0, say_exhausted);
        } else {
                struct ranked *only = &dialer->targets[dialer->count++];
                only->target = (struct dialer_target){ .port = dialer->port };
                snprintf(only->target.host, sizeof(only->target.host), "%s", dialer->domain);
                timer_start(&dialer->step, 0, try_next);
        }
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
take_targets(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count)
{
        struct service *service = owner;
        struct dialer *dialer = service->dialer;

        service->query = NULL;
        service->is_told = true;
        service->outcome = outcome == DNS_CANCELLED ? DNS_FAILED : outcome;
        service->found = count;
        describe(service, targets, count);
        for (size_t i = 0; outcome == DNS_FOUND && i < count; i++)
                add_target(dialer, &targets[i], service->is_direct);
        if (dialer->services[0].is_told && dialer->services[1].is_told)
                choose_targets(dialer);
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

        for (int i = 0; i < 2; i++)
                if (dialer->services[i].name == NULL || address_from_host(&literal, dialer->domain, dialer->port)) {
                        dialer->services[i].is_told = true;
                        dialer->services[i].outcome = DNS_NONE;
                }
        if (dialer->services[0].is_told && dialer->services[1].is_told) {
                choose_targets(dialer);
                return;
        }
        for (int i = 0; i < 2; i++)
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
        dialer->services[0] = (struct service){ .dialer = dialer, .name = rules->service };
        dialer->services[1] = (struct service){ .dialer = dialer, .name = rules->direct_service, .is_direct = true };
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
        for (int i = 0; i < 2; i++)
                if (dialer->services[i].query != NULL)
                        dns_cancel(&dialer->services[i].query);
        if (dialer->query != NULL)
                dns_cancel(&dialer->query);
        connect_free(&dialer->connect);
        mem_free(dialer);
}
