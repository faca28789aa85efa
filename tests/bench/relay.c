/*
 * relay.c - the floor: what a message costs when a server does nothing but TLS
 *
 * It decrypts, finds the end of each stanza, reads the number in `to`, and encrypts; no XML parser, no rules. It stands on the same connections
 * as the server and speaks the protocol of `xload --raw --tls direct`: <login n='7'/> is answered by <ok/>, then <message to='load7@...'/> goes to
 * connection 7. Prints the port it listens on; SIGTERM ends it.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/conn.h"
#include "shared/loop/listener.h"
#include "shared/loop/worker.h"

#include <stdio.h>
#include <stdlib.h>

enum { USERS_MAX = 100000 };

struct peer {
        struct conn *conn;
        int number; /* -1 before <login/> */
};

static struct peer *peers[USERS_MAX];
static struct tls_context *context;

static void
log_in(struct peer *peer, const char *stanza)
{
        const char *number = strstr(stanza, "n='");

        peer->number = number == NULL ? -1 : atoi(number + 3);
        if (peer->number < 0 || peer->number >= USERS_MAX) {
                peer->number = -1;
                conn_close(peer->conn);
                return;
        }
        peers[peer->number] = peer;
        conn_send(peer->conn, "<ok/>", 5);
}

static void
pass_on(const char *stanza, size_t len)
{
        const char *to = memmem(stanza, len, " to='", 5);
        size_t at = to == NULL ? len : (size_t)(to - stanza) + 5;
        int number = 0;

        while (at < len && (stanza[at] < '0' || stanza[at] > '9'))
                at++;
        for (; at < len && stanza[at] >= '0' && stanza[at] <= '9' && number < USERS_MAX; at++)
                number = number * 10 + stanza[at] - '0';
        if (number < USERS_MAX && peers[number] != NULL)
                conn_send(peers[number]->conn, stanza, len);
}

static size_t
take(void *owner, const char *bytes, size_t len)
{
        static const char end[] = "</message>";
        struct peer *peer = owner;
        size_t done = 0;

        if (peer->number < 0) {
                const char *close = memchr(bytes, '>', len);
                char stanza[64];
                if (close == NULL)
                        return 0;
                done = (size_t)(close - bytes) + 1;
                snprintf(stanza, sizeof(stanza), "%.*s", (int)done, bytes);
                log_in(peer, stanza);
        }
        for (const char *found; (found = memmem(bytes + done, len - done, end, sizeof(end) - 1)) != NULL;) {
                size_t stanza = (size_t)(found - bytes) + sizeof(end) - 1 - done;
                pass_on(bytes + done, stanza);
                done += stanza;
        }
        return done;
}

static void
forget(void *owner, const char *why)
{
        struct peer *peer = owner;

        if (peer->number >= 0 && peers[peer->number] == peer)
                peers[peer->number] = NULL;
        mem_free(peer);
}

static const struct conn_events events = { .data = take, .closed = forget };

static void
accept_peer(void *owner, int fd, const struct address *from)
{
        struct peer *peer = MEM_NEW(peer);

        peer->number = -1;
        peer->conn = conn_accept(fd, &events, peer);
        conn_start_tls(peer->conn, context, TLS_SERVER, NULL);
}

int
main(int argc, char **argv)
{
        struct worker *worker = worker_new("relay", 0);
        struct tls_options options = { .certificate = argc > 1 ? argv[1] : NULL, .tickets = true };
        struct address address;
        struct err err;

        worker_enter(worker);
        if (argc != 3) {
                fprintf(stderr, "usage: relay CERTIFICATE.pem ADDRESS:PORT\n");
                return 2;
        }
        context = tls_context_new(TLS_SERVER, &options, &err);
        if (context == NULL || address_parse(&address, argv[2], &err) < 0) {
                fprintf(stderr, "%s\n", err.text);
                return 2;
        }
        struct listener *listener = listener_open(&address, accept_peer, NULL, &err);
        if (listener == NULL) {
                fprintf(stderr, "%s\n", err.text);
                return 2;
        }
        printf("%d\n", address_port(listener_address(listener)));
        fflush(stdout);
        worker_run(worker);
        return 0;
}
