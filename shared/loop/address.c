/*
 * address.c - IP addresses with ports, as text and as the kernel knows them
 */
#include "shared/loop/address.h"

#include "shared/base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool
address_from_sockaddr(struct address *address, const struct sockaddr *sa)
{
        *address = (struct address){ 0 };
        if (sa->sa_family == AF_INET) {
                memcpy(&address->u.v4, sa, sizeof(address->u.v4));
                address->len = sizeof(address->u.v4);
                return true;
        }
        if (sa->sa_family == AF_INET6) {
                memcpy(&address->u.v6, sa, sizeof(address->u.v6));
                address->len = sizeof(address->u.v6);
                return true;
        }
        return false;
}

bool
address_from_host(struct address *address, const char *host, uint16_t port)
{
        char bare[INET6_ADDRSTRLEN + 2];
        size_t len = strlen(host);

        *address = (struct address){ 0 };
        if (inet_pton(AF_INET, host, &address->u.v4.sin_addr) == 1) {
                address->u.v4.sin_family = AF_INET;
                address->u.v4.sin_port = htons(port);
                address->len = sizeof(address->u.v4);
                return true;
        }
        if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
                host++;
                len -= 2;
        }
        if (len >= sizeof(bare))
                return false;
        memcpy(bare, host, len);
        bare[len] = '\0';
        if (inet_pton(AF_INET6, bare, &address->u.v6.sin6_addr) != 1)
                return false;
        address->u.v6.sin6_family = AF_INET6;
        address->u.v6.sin6_port = htons(port);
        address->len = sizeof(address->u.v6);
        return true;
}

int
address_parse(struct address *address, const char *text, struct err *err)
{
        char host[ADDRESS_TEXT];
        const char *colon = strrchr(text, ':');

        if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
                return err_set(err, "%.80s: expected an address and a port, such as 127.0.0.1:5222 or [::]:5222", text);
        int64_t port = text_number(colon + 1, 65535);
        memcpy(host, text, (size_t)(colon - text));
        host[colon - text] = '\0';
        /* Without brackets nobody can tell where an IPv6 address ends. */
        if (port < 0 || (strchr(host, ':') != NULL && host[0] != '[') || !address_from_host(address, host, (uint16_t)port))
                return err_set(err, "%.80s: expected an address and a port, such as 127.0.0.1:5222 or [::]:5222", text);
        return 0;
}

static bool
is_mapped(const struct address *address)
{
        return address->u.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->u.v6.sin6_addr);
}

char *
address_format_host(char *text, const struct address *address)
{
        text[0] = '\0';
        if (is_mapped(address))
                inet_ntop(AF_INET, &address->u.v6.sin6_addr.s6_addr[12], text, ADDRESS_TEXT);
        else if (address->u.any.sa_family == AF_INET6)
                inet_ntop(AF_INET6, &address->u.v6.sin6_addr, text, ADDRESS_TEXT);
        else if (address->u.any.sa_family == AF_INET)
                inet_ntop(AF_INET, &address->u.v4.sin_addr, text, ADDRESS_TEXT);
        else
                snprintf(text, ADDRESS_TEXT, "local");
        return text;
}

char *
address_format(char *text, const struct address *address)
{
        char host[ADDRESS_TEXT];

        address_format_host(host, address);
        if (address->len == 0)
                snprintf(text, ADDRESS_TEXT, "%s", host);
        else
                snprintf(text, ADDRESS_TEXT, strchr(host, ':') != NULL ? "[%.46s]:%u" : "%.46s:%u", host, address_port(address));
        return text;
}

uint16_t
address_port(const struct address *address)
{
        if (address->u.any.sa_family == AF_INET)
                return ntohs(address->u.v4.sin_port);
        if (address->u.any.sa_family == AF_INET6)
                return ntohs(address->u.v6.sin6_port);
        return 0;
}

bool
address_same_host(const struct address *a, const struct address *b)
{
        char host_a[ADDRESS_TEXT], host_b[ADDRESS_TEXT];

        return strcmp(address_format_host(host_a, a), address_format_host(host_b, b)) == 0;
}

/* The bytes that count, as IPv4 where they are that; returns how many. */
static size_t
put_bytes(unsigned char bytes[16], const struct address *address)
{
        if (is_mapped(address))
                memcpy(bytes, &address->u.v6.sin6_addr.s6_addr[12], 4);
        else if (address->u.any.sa_family == AF_INET6)
                memcpy(bytes, &address->u.v6.sin6_addr, 16);
        else
                memcpy(bytes, &address->u.v4.sin_addr, 4);
        return is_mapped(address) || address->u.any.sa_family != AF_INET6 ? 4 : 16;
}

static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
        unsigned whole = bits / 8, rest = bits % 8;
        return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool
network_parse(struct network *network, const char *text)
{
        char host[ADDRESS_TEXT];
        unsigned char bytes[16];
        size_t host_len = strcspn(text, "/");

        if (host_len >= sizeof(host))
                return false;
        memcpy(host, text, host_len);
        host[host_len] = '\0';
        if (!address_from_host(&network->base, host, 0))
                return false;
        size_t len = put_bytes(bytes, &network->base);
        int64_t bits = text[host_len] == '\0' ? (int64_t)len * 8 : text_number(text + host_len + 1, (int64_t)len * 8);
        if (bits < 0)
                return false;
        network->bits = (unsigned)bits;
        for (unsigned bit = network->bits; bit < len * 8; bit++)
                if ((bytes[bit / 8] & (0x80u >> bit % 8)) != 0)
                        return false;
        return true;
}

bool
network_holds(const struct network *network, const struct address *address)
{
        unsigned char base[16], bytes[16];
        bool is_ip = address->u.any.sa_family == AF_INET || address->u.any.sa_family == AF_INET6;

        return is_ip && put_bytes(base, &network->base) == put_bytes(bytes, address) && same_bits(base, bytes, network->bits);
}
