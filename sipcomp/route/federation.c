/*
 * federation.c - who we federate with over SIP
 *
 * A domain covers itself only, never its subdomains; a subject speaks for the domains listed at its sip-peer and for nobody else.
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/route/federation_private.h"
#include "sipcomp/sip/cause.h"

#include <string.h>
#include <strings.h>

enum { TCP_DOMAINS_SHOWN = 200 };

static size_t
count_sections(const struct section *top, const char *name)
{
        size_t count = 0;
        for (const struct section *at = section_next(top, name, NULL); at != NULL; at = section_next(top, name, at))
                count++;
        return count;
}

/* The domains of our users: those of their JIDs, and those of their mail addresses where these are what xmppd shows to SIP domains. */
static int
read_locals(struct federation *federation, const struct section *top, struct err *err)
{
        const struct section *email = section_of(top, "email");
        const struct {
                const struct section *section;
                const char *setting;
                bool counts;
        } lists[] = { { top, "local-domains", true }, { email, "domains", config_bool(email, "enabled") } };
        size_t room = config_list_count(top, "local-domains") + config_list_count(email, "domains");

        federation->locals = arena_alloc(federation->arena, (room + 1) * sizeof(federation->locals[0]));
        for (size_t k = 0; k < array_len(lists); k++)
                for (size_t i = 0; lists[k].counts && i < config_list_count(lists[k].section, lists[k].setting); i++) {
                        const char *name = config_list_item(lists[k].section, lists[k].setting, i);
                        federation->locals[federation->local_count++] = arena_strdup(federation->arena, name);
                        if (federation_domain(federation, name) != NULL)
                                return err_set(err, "%s: %s is a sip-domain too, defined at %s",
                                        section_place(lists[k].section, lists[k].setting), name,
                                        section_place(section_titled(top, "sip-domain", name), NULL));
                }
        return 0;
}

static int
read_domains(struct federation *federation, const struct section *top, struct err *err)
{
        federation->domains =
                arena_alloc(federation->arena, (count_sections(top, "sip-domain") + 1) * sizeof(federation->domains[0]));
        for (const struct section *at = section_next(top, "sip-domain", NULL); at != NULL;
                at = section_next(top, "sip-domain", at)) {
                struct foreign_domain *domain = &federation->domains[federation->domain_count++];
                domain->name = arena_strdup(federation->arena, section_title(at));
                domain->description = arena_strdup(federation->arena, config_text(at, "description"));
                domain->dialect = dialect_of(config_text(at, "type"));
                domain->direct = config_bool(at, "direct");
                domain->shared = config_bool(at, "shared-subscription");
                if (domain->dialect == NULL)
                        return err_set(err, "%s: unknown type", section_place(at, "type"));
                map_put_str(federation->by_name, domain->name, domain);
        }
        federation->default_domain = arena_strdup(federation->arena, config_text(section_of(top, "aol"), "default-domain"));
        return read_locals(federation, top, err);
}

/* What differs from `tls` for one peer: its floor and its ciphers. */
static struct tls_context *
peer_context(const struct section *top, const struct section *peer, enum tls_side side, enum tls_ask ask, struct err *err)
{
        const struct section *tls = section_of(top, "tls");
        const char *min = config_text(peer, "min-version"), *ciphers = config_text(peer, "ciphers");
        const char *max = config_text(tls, "max-version");
        struct tls_options options = {
                .certificate = config_text(tls, "certificate"),
                .key = config_text(tls, "key")[0] == '\0' ? NULL : config_text(tls, "key"),
                .trust = config_text(tls, "trust"),
                .min_version = min[0] == '\0' ? config_text(tls, "min-version") : min,
                .max_version = max[0] == '\0' ? NULL : max,
                .ciphers = ciphers[0] == '\0' ? config_text(tls, "ciphers") : ciphers,
                .ask = ask,
                .empty_fragments = config_bool(tls, "empty-fragments"),
        };
        if (options.ciphers[0] == '\0')
                options.ciphers = NULL;
        struct tls_context *context = tls_context_new(side, &options, err);
        if (context == NULL)
                err_prefix(err, "%s: ", section_place(peer, NULL));
        return context;
}

static int
make_contexts(struct peer *peer, const struct section *top, const struct section *at, struct err *err)
{
        if (config_text(at, "min-version")[0] == '\0' && config_text(at, "ciphers")[0] == '\0')
                return 0;
        if ((peer->tls = peer_context(top, at, TLS_CLIENT, TLS_ASK_NONE, err)) == NULL)
                return -1;
        for (size_t ask = 0; ask < array_len(peer->serving); ask++)
                if ((peer->serving[ask] = peer_context(top, at, TLS_SERVER, (enum tls_ask)ask, err)) == NULL)
                        return -1;
        return 0;
}

static int
read_peers(struct federation *federation, const struct section *top, struct err *err)
{
        federation->peers = arena_alloc(federation->arena, (count_sections(top, "sip-peer") + 1) * sizeof(federation->peers[0]));
        for (const struct section *at = section_next(top, "sip-peer", NULL); at != NULL; at = section_next(top, "sip-peer", at)) {
                struct peer *peer = &federation->peers[federation->peer_count++];
                peer->subject = arena_strdup(federation->arena, section_title(at));
                peer->domain_count = config_list_count(at, "domains");
                peer->domains = arena_alloc(federation->arena, (peer->domain_count + 1) * sizeof(peer->domains[0]));
                for (size_t i = 0; i < peer->domain_count; i++)
                        peer->domains[i] = arena_strdup(federation->arena, config_list_item(at, "domains", i));
                if (make_contexts(peer, top, at, err) != 0)
                        return -1;
        }
        return 0;
}

static int
read_routes(struct federation *federation, const struct section *top, struct err *err)
{
        federation->routes = arena_alloc(federation->arena, (count_sections(top, "sip-route") + 1) * sizeof(federation->routes[0]));
        for (const struct section *at = section_next(top, "sip-route", NULL); at != NULL; at = section_next(top, "sip-route", at)) {
                struct static_route *route = &federation->routes[federation->route_count++];
                char domain[256];
                if (!route_pattern_domain(domain, section_title(at)))
                        return err_set(err, "%s: \"%s\" is no pattern like .com.example.* and no domain", section_place(at, NULL),
                                section_title(at));
                route->domain = arena_strdup(federation->arena, domain);
                struct route_hop *hops = arena_alloc(federation->arena, (count_sections(at, "hop") + 1) * sizeof(hops[0]));
                for (const struct section *in = section_next(at, "hop", NULL); in != NULL; in = section_next(at, "hop", in)) {
                        struct route_hop *hop = &hops[route->hop_count++];
                        if (strlen(section_title(in)) >= sizeof(hop->hop.host))
                                return err_set(err, "%s: the name is too long", section_place(in, NULL));
                        strcpy(hop->hop.host, section_title(in));
                        hop->hop.port = (uint16_t)config_number(in, "port");
                        hop->hop.wire = strcmp(config_text(in, "transport"), "tcp") == 0 ? SIP_TCP : SIP_TLS;
                        hop->priority = (uint16_t)config_number(in, "priority");
                        hop->weight = (uint16_t)config_number(in, "weight");
                }
                route->hops = hops;
        }
        return 0;
}

/* The way of each domain to fill in; NULL for a domain that only a sip-peer names. */
static struct way *
find_way(const struct federation *federation, const char *name)
{
        const struct foreign_domain *domain = federation_domain(federation, name);
        return domain != NULL ? &federation->ways[domain - federation->domains] : NULL;
}

static void
find_ways(struct federation *federation)
{
        struct way *way;

        federation->ways = arena_alloc(federation->arena, (federation->domain_count + 1) * sizeof(federation->ways[0]));
        for (size_t i = 0; i < federation->peer_count; i++)
                for (size_t d = 0; d < federation->peers[i].domain_count; d++)
                        if ((way = find_way(federation, federation->peers[i].domains[d])) != NULL)
                                way->peer_count++;
        for (size_t i = 0; i < federation->domain_count; i++) {
                way = &federation->ways[i];
                way->route = route_match(federation->routes, federation->route_count, federation->domains[i].name);
                way->peers = arena_alloc(federation->arena, (way->peer_count + 1) * sizeof(way->peers[0]));
                way->peer_count = 0;
        }
        for (size_t i = 0; i < federation->peer_count; i++)
                for (size_t d = 0; d < federation->peers[i].domain_count; d++)
                        if ((way = find_way(federation, federation->peers[i].domains[d])) != NULL)
                                way->peers[way->peer_count++] = &federation->peers[i];
}

const struct way *
federation_way(const struct federation *federation, const char *domain)
{
        return find_way(federation, domain);
}

bool
federation_allows_tcp(const struct foreign_domain *domain)
{
        return !domain->dialect->tls_only || (domain->direct && domain->dialect->tcp_if_direct);
}

static int
check_wires(const struct federation *federation, const struct section *top, struct err *err)
{
        for (size_t i = 0; i < federation->domain_count; i++) {
                const struct foreign_domain *domain = &federation->domains[i];
                const struct static_route *route = federation->ways[i].route;
                if (route == NULL || federation_allows_tcp(domain))
                        continue;
                for (size_t h = 0; h < route->hop_count; h++)
                        if (route->hops[h].hop.wire == SIP_TCP)
                                return err_set(err,
                                        "%s: sip-domain \"%s\" is of type %s, which speaks TLS only, but its route to %s is tcp",
                                        section_place(section_titled(top, "sip-domain", domain->name), "type"), domain->name,
                                        domain->dialect->name, route->hops[h].hop.host);
        }
        return 0;
}

struct federation *
federation_new(struct config *config, struct dns *dns, struct err *err)
{
        const struct section *top = config_top(config);
        struct federation *federation = MEM_NEW(federation);
        federation->arena = arena_new(4096);
        federation->dns = dns;
        federation->by_name = map_new();
        federation->hosts = map_new();
        if (read_domains(federation, top, err) != 0 || read_peers(federation, top, err) != 0 ||
                read_routes(federation, top, err) != 0)
                goto out;
        find_ways(federation);
        if (check_wires(federation, top, err) != 0)
                goto out;
        hosts_look_up(federation);
        return federation;
out:
        federation_free(&federation);
        return NULL;
}

void
federation_free(struct federation **where)
{
        struct federation *federation = *where;
        if (federation == NULL)
                return;
        *where = NULL;
        searches_end(federation);
        hosts_free(federation);
        for (size_t i = 0; i < federation->peer_count; i++) {
                tls_context_unref(&federation->peers[i].tls);
                for (size_t ask = 0; ask < array_len(federation->peers[i].serving); ask++)
                        tls_context_unref(&federation->peers[i].serving[ask]);
        }
        map_free(&federation->by_name);
        arena_free(&federation->arena);
        mem_free(federation);
}

const struct foreign_domain *
federation_domain(const struct federation *federation, const char *name)
{
        return map_get_str(federation->by_name, name);
}

size_t
federation_count(const struct federation *federation)
{
        return federation->domain_count;
}

const struct foreign_domain *
federation_at(const struct federation *federation, size_t i)
{
        return &federation->domains[i];
}

bool
federation_is_local(const struct federation *federation, const char *domain)
{
        for (size_t i = 0; i < federation->local_count; i++)
                if (strcasecmp(federation->locals[i], domain) == 0)
                        return true;
        return false;
}

/* The sip-peer of this very name; else any of the domain that has a floor or ciphers of its own, since hops may be addresses. */
struct tls_context *
federation_context(const struct federation *federation, const char *domain, const char *host)
{
        const struct way *way = federation_way(federation, domain);
        struct tls_context *found = NULL;
        for (size_t i = 0; i < federation->peer_count; i++)
                if (strcasecmp(federation->peers[i].subject, host) == 0)
                        return federation->peers[i].tls;
        for (size_t i = 0; way != NULL && found == NULL && i < way->peer_count; i++)
                found = way->peers[i]->tls;
        return found;
}

struct tls_context *
federation_serving_context(struct federation *federation, const struct address *address, enum tls_ask ask)
{
        for (size_t i = 0; i < federation->peer_count; i++) {
                const struct peer *peer = &federation->peers[i];
                for (size_t d = 0; peer->tls != NULL && d < peer->domain_count; d++)
                        if (hosts_hold_hop(federation, peer->domains[d], address))
                                return peer->serving[ask];
        }
        return NULL;
}

bool
federation_leads_to(const struct federation *federation, const char *domain, const struct sip_hop *hop)
{
        const struct way *way = federation_way(federation, domain);
        if (way == NULL || way->route == NULL)
                return way != NULL;
        for (size_t i = 0; i < way->route->hop_count; i++) {
                const struct sip_hop *known = &way->route->hops[i].hop;
                if (known->port == hop->port && known->wire == hop->wire && strcasecmp(known->host, hop->host) == 0)
                        return true;
        }
        for (size_t i = 0; i < way->peer_count; i++)
                if (strcasecmp(way->peers[i]->subject, hop->host) == 0)
                        return true;
        return false;
}

size_t
federation_subjects(const struct federation *federation, const char *domain, const char *subjects[FEDERATION_SUBJECTS])
{
        const struct way *way = federation_way(federation, domain);
        size_t count = 0;
        for (size_t i = 0; way != NULL && i < way->peer_count && count < FEDERATION_SUBJECTS; i++)
                subjects[count++] = way->peers[i]->subject;
        return count;
}

static bool
may_speak_tcp(struct federation *federation, const char *domain, const struct address *address, struct err *why)
{
        char text[ADDRESS_TEXT];
        if (hosts_may_speak(federation, domain, address))
                return true;
        address_format_host(text, address);
        const struct foreign_domain *foreign = federation_domain(federation, domain);
        if (!federation_allows_tcp(foreign))
                err_set(why, "it came over TCP, and %s is of type %s, which speaks TLS only: the partner has to call our TLS port",
                        domain, foreign->dialect->name);
        else
                err_set(why,
                        "it came over TCP from %s, which is no tcp hop of the sip-route for %s: if it is the partner's, xmppctl sip-route add %s %s:5060 --transport tcp",
                        text, domain, domain, text);
        return false;
}

/* A sip-peer of this certificate that speaks for others. */
static const struct peer *
find_other_peer(const struct federation *federation, const struct tls_peer *peer)
{
        for (size_t i = 0; i < federation->peer_count; i++)
                if (tls_peer_is(peer, federation->peers[i].subject))
                        return &federation->peers[i];
        return NULL;
}

/* The setting that is missing for this certificate. */
static void
explain_peer(const struct federation *federation, const char *domain, const struct tls_peer *peer, struct err *why)
{
        const char *name = peer->name_count > 0 ? peer->names[0].text : peer->subject;
        const struct peer *other = find_other_peer(federation, peer);
        struct buf text = { 0 };
        if (other != NULL)
                buf_printf(&text,
                        "the peer's certificate is %s; sip-peer \"%s\" does not list %s: add it to its domains in federation.conf",
                        name, other->subject, domain);
        else
                sip_cause_say(&text, SIP_CAUSE_NOT_ALLOWED, &(struct sip_case){ .domain = domain, .subject = name }, NULL);
        err_set(why, "%s", buf_text(&text));
        buf_free(&text);
}

bool
federation_may_speak(struct federation *federation, const char *domain, const struct tls_peer *peer, bool tcp,
        const struct address *address, struct err *why)
{
        const struct way *way = federation_way(federation, domain);
        if (way == NULL) {
                err_set(why, "there is no sip-domain \"%s\": if it is a partner's, xmppctl sip-domain add %s lync|ocs|aol|simple",
                        domain, domain);
                return false;
        }
        if (tcp)
                return may_speak_tcp(federation, domain, address, why);
        if (peer == NULL || !peer->valid) {
                err_set(why,
                        "no valid certificate was shown, and only that of a sip-peer may speak for %s: the partner must show one, and our listener ask for it (client-certificate)",
                        domain);
                return false;
        }
        for (size_t i = 0; i < way->peer_count; i++)
                if (tls_peer_is(peer, way->peers[i]->subject))
                        return true;
        if (why != NULL)
                explain_peer(federation, domain, peer, why);
        return false;
}

static size_t
add_domain(const char **domains, size_t count, size_t room, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(domains[i], name) == 0)
                        return count;
        if (count < room)
                domains[count++] = name;
        return count;
}

size_t
federation_spoken_for(struct federation *federation, const struct tls_peer *peer, bool tcp, const struct address *address,
        const char **domains, size_t room)
{
        size_t count = 0;
        for (size_t i = 0; tcp && federation->domain_count <= TCP_DOMAINS_SHOWN && i < federation->domain_count; i++)
                if (hosts_may_speak(federation, federation->domains[i].name, address))
                        count = add_domain(domains, count, room, federation->domains[i].name);
        for (size_t i = 0; !tcp && peer != NULL && peer->valid && i < federation->peer_count && count < room; i++) {
                const struct peer *of = &federation->peers[i];
                if (!tls_peer_is(peer, of->subject))
                        continue;
                for (size_t d = 0; d < of->domain_count; d++)
                        if (federation_domain(federation, of->domains[d]) != NULL)
                                count = add_domain(domains, count, room, of->domains[d]);
        }
        return count;
}

bool
federation_is_peer(struct federation *federation, const struct tls_peer *peer, bool tcp, const struct address *address)
{
        for (size_t i = 0; tcp && i < federation->domain_count; i++)
                if (hosts_may_speak(federation, federation->domains[i].name, address))
                        return true;
        for (size_t i = 0; !tcp && peer != NULL && peer->valid && i < federation->peer_count; i++)
                for (size_t d = 0; d < federation->peers[i].domain_count; d++)
                        if (federation_domain(federation, federation->peers[i].domains[d]) != NULL &&
                                tls_peer_is(peer, federation->peers[i].subject))
                                return true;
        return false;
}
