/* address.h - an IP address with a port */
#ifndef SHARED_LOOP_ADDRESS_H
#define SHARED_LOOP_ADDRESS_H

#include "shared/base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
        socklen_t len;
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        } u;
};

enum { ADDRESS_TEXT = 64 };

/* "127.0.0.1:5347", "[::]:5222": literals only; port 0..65535. -1 with a sentence otherwise. */
int address_parse(struct address *address, const char *text, struct err *err);
/* A literal without port ("::1", "[::1]", "192.0.2.7"); false if it is a name or anything else. */
bool address_from_host(struct address *address, const char *host, uint16_t port);
bool address_from_sockaddr(struct address *address, const struct sockaddr *sa);
/* Writes "192.0.2.7:5061" or "[::1]:5061" (v4-mapped addresses as v4) into text[ADDRESS_TEXT] and returns it. */
char *address_format(char *text, const struct address *address);
/* The same without port, no brackets. */
char *address_format_host(char *text, const struct address *address);
uint16_t address_port(const struct address *address);
bool address_same_host(const struct address *a, const struct address *b);

/* Addresses whose first bits are the same. */
struct network {
        struct address base;
        unsigned bits;
};
/* "192.0.2.0/24", "2001:db8::/32", or one address; bits behind the length must be zero. False if it is anything else. */
bool network_parse(struct network *network, const char *text);
/* An IPv4 address that came as ::ffff:192.0.2.7 counts as 192.0.2.7. */
bool network_holds(const struct network *network, const struct address *address);

#endif
