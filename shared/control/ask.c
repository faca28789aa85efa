/*
 * ask.c - the other end of the control socket, for a program without a loop
 */
#include "shared/base/clock.h"
#include "shared/base/text.h"
#include "shared/control/control.h"
#include "shared/control/words.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MAX = 256 << 20, HEAD_MAX = 40 };

static int
wait_for(int fd, short what, uint64_t until, struct err *err)
{
        struct pollfd poll_fd = { .fd = fd, .events = what };

        for (;;) {
                uint64_t now = clock_mono_ms();
                int n = now >= until ? 0 : poll(&poll_fd, 1, (int)(until - now));
                if (n > 0)
                        return 0;
                if (n == 0)
                        return err_set(err, "no answer in time");
                if (errno != EINTR)
                        return err_set(err, "%s", strerror(errno));
        }
}

static int
connect_to(const char *path, struct err *err)
{
        struct sockaddr_un name = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(name.sun_path))
                return err_set(err, "the path of the socket is too long");
        memcpy(name.sun_path, path, strlen(path) + 1);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return err_set(err, "%s", strerror(errno));
        if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0)
                return fd;
        err_set(err, "%s", errno == ENOENT || errno == ECONNREFUSED ? "nobody listens there" : strerror(errno));
        close(fd);
        return -1;
}

static int
send_all(int fd, const char *bytes, size_t len, uint64_t until, struct err *err)
{
        while (len > 0) {
                ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
                if (n < 0 && errno == EAGAIN) {
                        if (wait_for(fd, POLLOUT, until, err) != 0)
                                return -1;
                        continue;
                }
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set(err, "%s", strerror(errno));
                bytes += n;
                len -= (size_t)n;
        }
        return 0;
}

/* Waits for bytes and appends them to in. */
static int
receive(int fd, struct buf *in, uint64_t until, struct err *err)
{
        if (wait_for(fd, POLLIN, until, err) != 0)
                return -1;
        ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, 0);
        if (n == 0)
                return err_set(err, "the server closed the connection");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
                return err_set(err, "%s", strerror(errno));
        if (n > 0)
                buf_added(in, (size_t)n);
        return 0;
}

enum head { HEAD_NO, HEAD_OK, HEAD_YET };

/* "ok LENGTH", "no LENGTH" or "yet LENGTH"; -1 with a sentence for anything else. */
static int
parse_head(const char *head, int64_t *len, struct err *err)
{
        enum head kind = text_starts(head, "ok ") ? HEAD_OK : text_starts(head, "yet ") ? HEAD_YET : HEAD_NO;
        const char *blank = strchr(head, ' ');

        *len = kind != HEAD_NO || text_starts(head, "no ") ? text_number(blank + 1, ANSWER_MAX) : -1;
        return *len < 0 ? err_set(err, "the answer makes no sense: is this the right socket?") : (int)kind;
}

/* The next head and all bytes that belong to it; the head is taken out of in. */
static int
receive_part(int fd, struct buf *in, int64_t *len, uint64_t until, struct err *err)
{
        char *end;

        while (in->len == 0 || (end = memchr(buf_data(in), '\n', in->len)) == NULL) {
                if (in->len > HEAD_MAX)
                        return err_set(err, "the answer makes no sense: is this the right socket?");
                if (receive(fd, in, until, err) != 0)
                        return -1;
        }
        *end = '\0';
        int kind = parse_head(buf_data(in), len, err);
        if (kind < 0)
                return -1;
        buf_drop(in, strlen(buf_data(in)) + 1);
        while (in->len < (size_t)*len)
                if (receive(fd, in, until, err) != 0)
                        return -1;
        return kind;
}

int
control_ask(const char *path, int argc, char *const *argv, int timeout_ms, struct buf *answer, struct err *err)
{
        return control_ask_told(path, argc, argv, timeout_ms, NULL, NULL, answer, err);
}

int
control_ask_told(const char *path, int argc, char *const *argv, int timeout_ms, control_told *told, void *arg, struct buf *answer,
        struct err *err)
{
        struct buf line = { 0 }, in = { 0 };
        uint64_t until = clock_mono_ms() + (uint64_t)timeout_ms;
        int64_t len = -1;
        int rc = -1;

        int fd = connect_to(path, err);
        if (fd < 0)
                goto out;
        for (int i = 0; i < argc; i++) {
                if (i > 0)
                        buf_putc(&line, ' ');
                if (!words_quote(&line, argv[i])) {
                        err_set(err, "a word of a command holds no line break");
                        goto out;
                }
        }
        buf_putc(&line, '\n');
        if (send_all(fd, buf_data(&line), line.len, until, err) != 0)
                goto out;

        int kind;
        while ((kind = receive_part(fd, &in, &len, until, err)) == HEAD_YET) {
                if (told != NULL)
                        told(arg, buf_data(&in), (size_t)len);
                buf_drop(&in, (size_t)len);
        }
        if (kind < 0)
                goto out;
        buf_put(answer, buf_data(&in), (size_t)len);
        rc = kind;
out:
        if (rc < 0)
                err_prefix(err, "%s: ", path);
        if (fd >= 0)
                close(fd);
        buf_free(&line);
        buf_free(&in);
        return rc;
}
