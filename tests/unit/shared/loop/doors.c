/*
 * doors.c - listening sockets in three moods
 *
 * A socket that is bound and does not listen refuses, and nobody else gets its port. One whose queue is full drops each SYN: silence.
 */
#include "tests/unit/shared/loop/doors.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
fill_queue(struct door *door)
{
        for (size_t i = 1; i < sizeof(door->fds) / sizeof(door->fds[0]); i++) {
                door->fds[i] = socket(door->address.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                struct pollfd ready = { .fd = door->fds[i], .events = POLLOUT };
                (void)connect(door->fds[i], &door->address.u.any, door->address.len);
                if (poll(&ready, 1, 50) == 0)
                        return; /* the first that waits: full */
        }
}

bool
door_make(struct door *door, enum door_kind kind, const char *host, uint16_t port)
{
        int on = 1;

        memset(door->fds, -1, sizeof(door->fds));
        if (!address_from_host(&door->address, host, port))
                return false;
        int fd = door->fds[0] = socket(door->address.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return false;
        if (door->address.u.any.sa_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        else
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, &door->address.u.any, door->address.len) < 0 ||
                (kind != DOOR_REFUSES && listen(fd, kind == DOOR_SILENT ? 0 : 256) < 0) ||
                getsockname(fd, &door->address.u.any, &door->address.len) < 0) {
                door_remove(door);
                return false;
        }
        if (kind == DOOR_SILENT)
                fill_queue(door);
        return true;
}

void
door_remove(struct door *door)
{
        for (size_t i = 0; i < sizeof(door->fds) / sizeof(door->fds[0]); i++)
                if (door->fds[i] >= 0)
                        close(door->fds[i]);
        memset(door->fds, -1, sizeof(door->fds));
}
