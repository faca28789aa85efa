/*
 * connect.c - Happy Eyeballs over non-blocking sockets
 */
#include "shared/loop/connect.h"

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/loop/timer.h"
#include "shared/loop/watch.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 16, HEAD_START_MS = 250 };

struct
try {
        struct connect *race;
        struct watch *watch;
        int fd;
        bool is_over;
};

struct connect {
        struct address addresses[ADDRESSES_MAX];
        struct try tries[ADDRESSES_MAX];
        size_t count, begun, over;
        struct timer next, deadline;
        struct buf why;
        bool is_silent, has_refused;
        connect_told *told;
        void *owner;
};

/* RFC 8305 4: one of each family in turn, beginning with IPv6. */
static void
interleave(struct connect *race, const struct address *addresses, size_t count)
{
        size_t at[2] = { 0, 0 };
        static const sa_family_t families[2] = { AF_INET6, AF_INET };

        for (int which = 0; race->count < ADDRESSES_MAX && (at[0] < count || at[1] < count); which = !which) {
                size_t *i = &at[which];
                while (*i < count && addresses[*i].u.any.sa_family != families[which])
                        (*i)++;
                if (*i < count)
                        race->addresses[race->count++] = addresses[(*i)++];
        }
}

static void
end_try(struct try *try)
{
        if (try->is_over || try->race == NULL)
                return;
        try->is_over = true;
        watch_free(&try->watch);
        if (try->fd >= 0)
                close(try->fd);
        try->fd = -1;
}

void
connect_free(struct connect **reference)
{
        struct connect *race = *reference;

        *reference = NULL;
        if (race == NULL)
                return;
        for (size_t i = 0; i < race->begun; i++)
                end_try(&race->tries[i]);
        timer_stop(&race->next);
        timer_stop(&race->deadline);
        buf_free(&race->why);
        mem_free(race);
}

static void
tell(struct connect *race, enum connect_end end, int fd, const struct address *address)
{
        struct connect_result result = { .end = end, .fd = fd, .address = address, .left = race->addresses + race->begun };

        /* The losers are gone before the owner hears: it may free what they would come back to. */
        for (size_t i = 0; i < race->begun; i++)
                end_try(&race->tries[i]);
        timer_stop(&race->next);
        timer_stop(&race->deadline);
        result.left_count = end == CONNECT_DONE ? race->count - race->begun : 0;
        if (race->count == 0)
                buf_puts(&race->why, "no address");
        result.why = buf_text(&race->why);
        race->told(race->owner, &result);
        buf_free(&race->why);
        mem_free(race);
}

static void
note(struct connect *race, const struct try *try, const char *what)
{
        char text[ADDRESS_TEXT];

        buf_printf(&race->why, "%s%s: %s", race->why.len > 0 ? ", " : "", address_format(text, &race->addresses[try - race->tries]),
                what);
}

/* The last two: this machine has no address of the family. */
static bool
has_no_route(int error)
{
        return error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

static void begin_next(struct timer *timer);

static void
fail_try(struct try *try, int error)
{
        struct connect *race = try->race;

        note(race, try, error == ECONNREFUSED ? "refused" : strerror(error));
        race->is_silent |= error == ETIMEDOUT;
        race->has_refused |= !has_no_route(error);
        end_try(try);
        race->over++;
        timer_start(&race->next, 0, begin_next);
}

static void
win(struct try *try)
{
        struct connect *race = try->race;
        int fd = try->fd, on = 1;

        watch_free(&try->watch);
        try->is_over = true;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        tell(race, CONNECT_DONE, fd, &race->addresses[try - race->tries]);
}

static void
see_ready(void *owner, bool readable, bool writable)
{
        struct try *try = owner;
        int error = 0;
        socklen_t len = sizeof(error);

        if (getsockopt(try->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
                error = errno;
        if (error != 0)
                fail_try(try, error);
        else
                win(try);
}

static void
begin(struct connect *race)
{
        struct try *try = &race->tries[race->begun];
        const struct address *address = &race->addresses[race->begun++];

        try->race = race;
        try->fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (try->fd < 0 || (connect(try->fd, &address->u.any, address->len) < 0 && errno != EINPROGRESS)) {
                fail_try(try, errno);
                return;
        }
        try->watch = watch_new(try->fd, see_ready, try);
        watch_set(try->watch, false, true);
        timer_start(&race->next, HEAD_START_MS, begin_next);
}

static void
begin_next(struct timer *timer)
{
        struct connect *race = container_of(timer, struct connect, next);

        if (race->begun < race->count)
                begin(race);
        else if (race->over == race->count)
                tell(race, race->is_silent ? CONNECT_SILENT : race->has_refused ? CONNECT_REFUSED : CONNECT_UNREACHABLE, -1, NULL);
}

static void
give_up(struct timer *timer)
{
        struct connect *race = container_of(timer, struct connect, deadline);

        for (size_t i = 0; i < race->begun; i++)
                if (!race->tries[i].is_over)
                        note(race, &race->tries[i], "no answer");
        tell(race, CONNECT_SILENT, -1, NULL);
}

struct connect *
connect_new(const struct address *addresses, size_t count, uint64_t timeout_ms, connect_told *told, void *owner)
{
        struct connect *race = MEM_NEW(race);

        race->told = told;
        race->owner = owner;
        interleave(race, addresses, count);
        timer_start(&race->next, 0, begin_next);
        timer_start(&race->deadline, timeout_ms, give_up);
        return race;
}
