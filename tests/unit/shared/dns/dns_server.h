/* dns_server.h - a DNS server that answers by a script, in a thread of its own */
#ifndef TESTS_UNIT_SHARED_DNS_DNS_SERVER_H
#define TESTS_UNIT_SHARED_DNS_DNS_SERVER_H

enum { TYPE_ANY = 0, TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, TYPE_SRV = 33 };

/* data: "127.0.0.2", "::1", "10 5 5269 xmpp.verona.example" ("." for not offered), a name for CNAME; "SERVFAIL": that; "SILENT": no answer.
 * Names without a record do not exist. Records live for a minute, under names with "brief" for a second. */
struct dns_record {
        const char *name;
        int type;
        const char *data;
};

struct dns_server;

/* The zone ends with a record without a name and must stay. Around changes of its records hold the lock. */
struct dns_server *dns_server_start(const struct dns_record *zone);
void dns_server_lock(struct dns_server *server);
void dns_server_unlock(struct dns_server *server);
void dns_server_use(struct dns_server *server, const struct dns_record *zone);
const char *dns_server_address(const struct dns_server *server); /* "127.0.0.1:5353" */
int dns_server_asked(const struct dns_server *server);           /* queries so far */
void dns_server_stop(struct dns_server **server);

#endif
