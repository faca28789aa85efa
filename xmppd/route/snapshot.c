/*
 * snapshot.c - the configuration in force
 *
 * Each worker has a slot of its own, written by that worker's letters only, so reading it needs no lock. The main thread keeps one too: it
 * answers the administrator.
 */
#include "xmppd/route/snapshot.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/route/home.h"

static _Thread_local struct snapshot *here;
static atomic_uint_least64_t last_number;

struct snapshot *
snapshot_new(struct config *config)
{
        struct arena *arena = arena_new(1024);
        struct snapshot *snapshot = ARENA_NEW(arena, snapshot);

        atomic_init(&snapshot->refs, 1);
        snapshot->number = atomic_fetch_add(&last_number, 1) + 1;
        snapshot->arena = arena;
        snapshot->config = config;
        snapshot->domains = map_new();
        return snapshot;
}

struct domain *
snapshot_add_domain(struct snapshot *snapshot, enum domain_kind kind, const char *name)
{
        struct domain *domain = ARENA_NEW(snapshot->arena, domain);

        domain->name = arena_strdup(snapshot->arena, name);
        domain->kind = kind;
        must(map_put_str(snapshot->domains, name, domain) == NULL);
        return domain;
}

struct snapshot *
snapshot_ref(struct snapshot *snapshot)
{
        atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
        return snapshot;
}

void
snapshot_unref(struct snapshot **reference)
{
        struct snapshot *snapshot = *reference;

        *reference = NULL;
        if (snapshot == NULL || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1)
                return;
        size_t at = 0;
        for (struct domain *domain; (domain = map_next(snapshot->domains, &at)) != NULL;)
                tls_context_unref(&domain->s2s_client);
        map_free(&snapshot->domains);
        policies_free(&snapshot->policies);
        tls_context_unref(&snapshot->c2s_tls);
        tls_context_unref(&snapshot->s2s_server);
        tls_context_unref(&snapshot->s2s_client);
        config_unref(&snapshot->config);
        struct arena *arena = snapshot->arena; /* holds the snapshot itself */
        arena_free(&arena);
}

static void
take_here(struct snapshot *snapshot)
{
        snapshot_unref(&here);
        here = snapshot_ref(snapshot);
}

struct change {
        struct snapshot *snapshot;
        struct snapshot *
                before; /* freed by who asked for the change: with 100,000 exceptions that takes long enough to be felt on a worker */
        void (*changed)(void *arg);
        void *arg;
};

static void
swap_here(void *arg)
{
        struct change *change = arg;
        take_here(change->snapshot);
}

static void
finish_change(void *arg)
{
        struct change *change = arg;

        if (change->changed != NULL)
                change->changed(change->arg);
        snapshot_unref(&change->snapshot);
        snapshot_unref(&change->before);
        mem_free(change);
}

void
snapshot_put_in_force(struct snapshot *snapshot, void (*changed)(void *arg), void *arg)
{
        struct change *change = MEM_NEW(change);

        struct snapshot *before = here != NULL ? snapshot_ref(here) : NULL;
        take_here(snapshot);
        *change = (struct change){ .snapshot = snapshot_ref(snapshot), .before = before, .changed = changed, .arg = arg };
        home_visit_all(swap_here, finish_change, change);
}

void
snapshot_leave(void)
{
        snapshot_unref(&here);
}

const struct snapshot *
snapshot_now(void)
{
        must(here != NULL);
        return here;
}

const struct domain *
snapshot_domain(const char *name)
{
        return map_get_str(snapshot_now()->domains, name);
}

struct tls_context *
snapshot_s2s_client(const char *local)
{
        const struct domain *domain = snapshot_domain(local);
        char ascii[256];
        size_t at = 0;

        if (domain != NULL && domain->s2s_client != NULL)
                return domain->s2s_client;
        /* A mail domain: one of the certificates may name it. */
        if (domain == NULL && jid_domain_to_ascii(ascii, local))
                while ((domain = map_next(snapshot_now()->domains, &at)) != NULL)
                        if (domain->s2s_client != NULL && tls_context_covers(domain->s2s_client, ascii))
                                return domain->s2s_client;
        return snapshot_now()->s2s_client;
}

const struct section *
snapshot_section(const char *name)
{
        return section_of(config_top(snapshot_now()->config), name);
}
