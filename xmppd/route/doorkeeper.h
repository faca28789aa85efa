/* doorkeeper.h - lets the connections of one kind of peer in: the ports that the configuration names, and what one address may have
 *
 * Each listening room has one and says by its rules which settings name its ports, which limits hold, and who receives. The doorkeeper is on the main
 * thread; it hands each connection to the worker with the fewest in negotiation. A room that lets somebody in holds a ticket, which counts until the
 * connection has gone, and among those in negotiation until it is settled.
 */
#ifndef XMPPD_ROUTE_DOORKEEPER_H
#define XMPPD_ROUTE_DOORKEEPER_H

#include "shared/base/bucket.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/loop/ports.h"
#include "xmppd/route/limits.h"

#include <stdatomic.h>

struct crowd;

/* A plain value that goes with its connection from worker to worker. */
struct ticket {
        struct crowd *crowd; /* those of its address */
        short worker;        /* it was handed to this one */
        bool is_unsettled;
};

/* Negotiation has come to its end, well or not. Any worker; once more does nothing. */
void ticket_settle(struct ticket *ticket);
/* The connection has gone. Any worker, once; settles it too. */
void ticket_return(struct ticket *ticket);

/* The same for all connections of one address. Any worker. */
uint64_t ticket_address(const struct ticket *ticket);

struct doorkeeper_rules {
        const char *listen, *listen_tls; /* settings with the addresses; NULL: there is none for TLS from the first byte */
        /* LIMITS where this kind has no such limit. An address is an IPv4 address or an IPv6 /64. */
        enum limit connections, rate;  /* of one address: at a time, and in a second; those who come too fast wait in line */
        enum limit negotiating, share; /* in negotiation or in line: all together, and of one address */
        /* On a worker, which owns the descriptor and the ticket from now on. */
        void (*let_in)(int fd, bool is_direct, const struct ticket *ticket);
};

enum { DOORKEEPER_WORKERS = 64, DOORKEEPER_RATES = 4096 };

/* Static, with rules and room set and all else zero. */
struct doorkeeper {
        const struct doorkeeper_rules *rules;
        struct log_scope scope;
        struct ports ports;
        struct worker *worker;
        struct map *crowds; /* hash of an address -> struct crowd, while it has connections */
        struct list line;   /* connections that wait for their turn */
        int last;           /* the worker chosen last */
        atomic_int negotiating[DOORKEEPER_WORKERS];
        struct bucket rates[DOORKEEPER_RATES]; /* by hash of the address: who meets another there shares its rate */
        struct door {
                struct doorkeeper *keeper;
                bool is_direct;
        } doors[2];
};

/* On the main thread, with workers running. Opens the addresses that section names and that are not open yet (NULL: names none); -1 with a sentence if
 * one cannot be opened. Then settle: keep closes the ones that are no longer named, otherwise what was opened is closed again. Ports that stay survive
 * a reload. */
int doorkeeper_listen(struct doorkeeper *keeper, const struct section *section, struct err *err);
void doorkeeper_settle(struct doorkeeper *keeper, bool keep);
/* Stops accepting; who waits in line is closed. */
void doorkeeper_stop(struct doorkeeper *keeper);

#endif
