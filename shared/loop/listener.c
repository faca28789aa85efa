/*
 * listener.c - listening sockets
 *
 * Connections are taken with accept4 in small bunches, so that a flood of them does not starve the rest of the loop. When the process has no
 * descriptor left, a spare one is given up for a moment to take a waiting connection and close it: otherwise the loop would spin on it.
 */
#include "shared/loop/listener.h"

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/port_holder.h"
#include "shared/loop/watch.h"
#include "shared/loop/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUNCH = 32, NOT_SENT = 256 * 1024 };

struct listener {
        struct worker *worker;
        struct watch *watch;
        struct address address;
        listener_accepted *accepted;
        void *owner;
        int fd, spare;
        char *path;      /* of a unix socket */
        bool *closed;    /* where take_waiting learns that the owner closed us */
        uint64_t warned; /* worker_now() of the last warning about descriptors */
        struct log_scope log;
};

static void
refuse_one(struct listener *listener)
{
        uint64_t now = worker_now();

        if (now >= listener->warned + 1000 || listener->warned == 0) {
                listener->warned = now;
                log_warn(&listener->log,
                        "no file descriptor left: refusing connections; raise the limit (LimitNOFILE) or lower the load");
        }
        if (listener->spare < 0)
                return;
        close(listener->spare);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
                close(fd);
        listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
take_waiting(void *owner, bool readable, bool writable)
{
        struct listener *listener = owner;
        bool gone = false;

        listener->closed = &gone;
        for (int i = 0; i < BUNCH && !gone; i++) {
                struct sockaddr_storage from;
                socklen_t len = sizeof(from);
                int fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0) {
                        if (errno == EINTR || errno == ECONNABORTED)
                                continue;
                        if (errno == EMFILE || errno == ENFILE)
                                refuse_one(listener);
                        break;
                }
                struct address peer;
                if (address_from_sockaddr(&peer, (struct sockaddr *)&from))
                        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
                listener->accepted(listener->owner, fd, &peer);
        }
        if (!gone)
                listener->closed = NULL;
}

static struct listener *
start(int fd, listener_accepted *accepted, void *owner)
{
        struct listener *listener = MEM_NEW(listener);
        struct sockaddr_storage bound;
        socklen_t len = sizeof(bound);
        char text[ADDRESS_TEXT];

        listener->worker = worker_here();
        listener->fd = fd;
        listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        listener->accepted = accepted;
        listener->owner = owner;
        if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
                address_from_sockaddr(&listener->address, (struct sockaddr *)&bound);
        log_scope_set(&listener->log, "loop.listener", "%s", address_format(text, &listener->address));
        listener->watch = watch_new(fd, take_waiting, listener);
        watch_set(listener->watch, true, false);
        return listener;
}

static int
explain_failure(const struct address *address, int why, struct err *err)
{
        char text[ADDRESS_TEXT], holder[80];

        address_format(text, address);
        if (why != EADDRINUSE)
                return err_set(err, "%s: cannot listen: %s", text, strerror(why));
        if (!port_holder(address_port(address), holder, sizeof(holder)))
                return err_set(err, "%s: port taken by another program", text);
        return err_set(err, "%s: port taken by %s", text, holder);
}

struct listener *
listener_open(const struct address *address, listener_accepted *accepted, void *owner, struct err *err)
{
        struct address all;

        must(worker_here() != NULL);
        int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 && errno == EAFNOSUPPORT && IN6_IS_ADDR_UNSPECIFIED(&address->u.v6.sin6_addr)) {
                address_from_host(&all, "0.0.0.0", address_port(address));
                return listener_open(&all, accepted, owner, err);
        }
        if (fd < 0)
                return explain_failure(address, errno, err), NULL;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        /* Its connections have it from here: the kernel takes up to 4 MiB for a peer that does not read; ours are counted and have a limit. */
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ NOT_SENT }, sizeof(int));
        if (address->u.any.sa_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
        if (bind(fd, &address->u.any, address->len) < 0 || listen(fd, SOMAXCONN) < 0) {
                int why = errno;
                close(fd);
                if (why == EADDRNOTAVAIL && address->u.any.sa_family == AF_INET6 &&
                        IN6_IS_ADDR_UNSPECIFIED(&address->u.v6.sin6_addr)) {
                        address_from_host(&all, "0.0.0.0", address_port(address));
                        return listener_open(&all, accepted, owner, err);
                }
                explain_failure(address, why, err);
                return NULL;
        }
        return start(fd, accepted, owner);
}

static bool
is_answered(const struct sockaddr_un *name)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return true;
        bool answered = connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno != ECONNREFUSED;
        close(fd);
        return answered;
}

struct listener *
listener_open_unix(const char *path, listener_accepted *accepted, void *owner, struct err *err)
{
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        struct stat st;

        must(worker_here() != NULL);
        if (strlen(path) >= sizeof(name.sun_path)) {
                err_set(err, "%.200s: a socket's path has at most %zu bytes", path, sizeof(name.sun_path) - 1);
                return NULL;
        }
        memcpy(name.sun_path, path, strlen(path) + 1);
        if (lstat(path, &st) == 0) {
                if (!S_ISSOCK(st.st_mode) || is_answered(&name)) {
                        err_set(err, "%s: %s", path,
                                S_ISSOCK(st.st_mode) ? "another program listens there" : "exists and is not a socket");
                        return NULL;
                }
                unlink(path);
        }
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, SOMAXCONN) < 0) {
                err_set(err, "%s: cannot listen: %s", path, strerror(errno));
                if (fd >= 0)
                        close(fd);
                return NULL;
        }
        struct listener *listener = start(fd, accepted, owner);
        listener->path = mem_strdup(path);
        return listener;
}

void
listener_close(struct listener **where)
{
        struct listener *listener = *where;

        if (listener == NULL)
                return;
        must(on_home(listener->worker));
        if (listener->closed != NULL)
                *listener->closed = true;
        watch_free(&listener->watch);
        close(listener->fd);
        if (listener->spare >= 0)
                close(listener->spare);
        if (listener->path != NULL)
                unlink(listener->path);
        mem_free(listener->path);
        mem_free(listener);
        *where = NULL;
}

const struct address *
listener_address(const struct listener *listener)
{
        return &listener->address;
}
