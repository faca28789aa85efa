/*
 * dns_server.c - a DNS server of a hundred lines
 */
#include "tests/unit/shared/dns/dns_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_MAX = 4096 };

struct dns_server {
        int fd;
        pthread_t thread;
        _Atomic int asked;
        const struct dns_record *_Atomic zone;
        pthread_mutex_t lock; /* of its records, where a test changes them */
        char address[40];
};

static size_t
put_name(unsigned char *at, const char *name)
{
        size_t len = 0;

        while (*name != '\0' && strcmp(name, ".") != 0) {
                size_t label = strcspn(name, ".");
                at[len++] = (unsigned char)label;
                memcpy(at + len, name, label);
                len += label;
                name += label + (name[label] == '.');
        }
        at[len++] = 0;
        return len;
}

static size_t
put_16(unsigned char *at, unsigned value)
{
        at[0] = (unsigned char)(value >> 8);
        at[1] = (unsigned char)value;
        return 2;
}

static size_t
put_data(unsigned char *at, const struct dns_record *record)
{
        unsigned priority, weight, port;
        char target[256];

        if (record->type == TYPE_A || record->type == TYPE_AAAA)
                return inet_pton(record->type == TYPE_A ? AF_INET : AF_INET6, record->data, at) == 1
                        ? (record->type == TYPE_A ? 4 : 16)
                        : 0;
        if (record->type == TYPE_CNAME)
                return put_name(at, record->data);
        if (sscanf(record->data, "%u %u %u %255s", &priority, &weight, &port, target) != 4)
                return 0;
        put_16(at, priority);
        put_16(at + 2, weight);
        put_16(at + 4, port);
        return 6 + put_name(at + 6, target);
}

static size_t
put_record(unsigned char *at, const struct dns_record *record, bool is_of_question)
{
        size_t len = is_of_question ? put_16(at, 0xc00c) : put_name(at, record->name);

        len += put_16(at + len, (unsigned)record->type);
        len += put_16(at + len, 1);
        len += put_16(at + len, 0);
        len += put_16(at + len, strstr(record->name, "brief") != NULL ? 1 : 60);
        size_t data = put_data(at + len + 2, record);
        return len + put_16(at + len, (unsigned)data) + data;
}

struct reply {
        unsigned char packet[PACKET_MAX];
        size_t len;
        int answers, code, depth; /* of aliases */
        bool is_silent;
};

static void
answer(struct reply *reply, const struct dns_record *zone, const char *name, int type)
{
        bool exists = false;

        for (const struct dns_record *record = zone; record->name != NULL && reply->len < PACKET_MAX - 600; record++) {
                if (strcasecmp(record->name, name) != 0)
                        continue;
                exists = true;
                if (record->type == TYPE_CNAME) {
                        reply->len += put_record(reply->packet + reply->len, record, reply->depth == 0);
                        reply->answers++;
                        reply->depth++;
                        answer(reply, zone, record->data, type);
                        return;
                }
                if (record->type != type && record->type != TYPE_ANY)
                        continue;
                if (strcmp(record->data, "SERVFAIL") == 0) {
                        reply->code = 2;
                } else if (strcmp(record->data, "SILENT") == 0) {
                        reply->is_silent = true;
                } else {
                        reply->len += put_record(reply->packet + reply->len, record, reply->depth == 0);
                        reply->answers++;
                }
        }
        if (!exists)
                reply->code = 3;
}

void
dns_server_lock(struct dns_server *server)
{
        pthread_mutex_lock(&server->lock);
}

void
dns_server_unlock(struct dns_server *server)
{
        pthread_mutex_unlock(&server->lock);
}

static void *
serve(void *arg)
{
        struct dns_server *server = arg;
        struct sockaddr_in from;
        struct reply reply;
        char name[256];

        for (;;) {
                socklen_t from_len = sizeof(from);
                ssize_t len = recvfrom(server->fd, reply.packet, 512, 0, (struct sockaddr *)&from, &from_len);
                if (len < 17)
                        return NULL; /* one byte: the end */
                server->asked++;
                size_t at = 12, n = 0;
                for (; reply.packet[at] != 0; at += reply.packet[at] + 1u)
                        n += (size_t)snprintf(name + n, sizeof(name) - n, "%s%.*s", n > 0 ? "." : "", reply.packet[at],
                                (char *)reply.packet + at + 1);
                int type = reply.packet[at + 2];
                reply.len = at + 5;
                reply.answers = reply.code = reply.depth = 0;
                reply.is_silent = false;
                dns_server_lock(server);
                answer(&reply, server->zone, name, type);
                dns_server_unlock(server);
                if (reply.is_silent)
                        continue;
                reply.packet[2] = 0x84;
                reply.packet[3] = (unsigned char)(0x80 | reply.code);
                memset(reply.packet + 6, 0, 6);
                put_16(reply.packet + 6, (unsigned)reply.answers);
                sendto(server->fd, reply.packet, reply.len, 0, (struct sockaddr *)&from, from_len);
        }
}

struct dns_server *
dns_server_start(const struct dns_record *zone)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        struct dns_server *server = calloc(1, sizeof(*server));

        pthread_mutex_init(&server->lock, NULL);
        server->zone = zone;
        server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (bind(server->fd, (struct sockaddr *)&address, len) < 0)
                abort();
        getsockname(server->fd, (struct sockaddr *)&address, &len);
        snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", ntohs(address.sin_port));
        if (pthread_create(&server->thread, NULL, serve, server) != 0)
                abort();
        return server;
}

void
dns_server_use(struct dns_server *server, const struct dns_record *zone)
{
        server->zone = zone;
}

const char *
dns_server_address(const struct dns_server *server)
{
        return server->address;
}

int
dns_server_asked(const struct dns_server *server)
{
        return server->asked;
}

void
dns_server_stop(struct dns_server **where)
{
        struct dns_server *server = *where;
        struct sockaddr_in address;
        socklen_t len = sizeof(address);

        getsockname(server->fd, (struct sockaddr *)&address, &len);
        sendto(server->fd, "", 1, 0, (struct sockaddr *)&address, len);
        pthread_join(server->thread, NULL);
        close(server->fd);
        free(server);
        *where = NULL;
}
