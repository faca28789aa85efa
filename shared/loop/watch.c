/*
 * watch.c - foreign descriptors on the loop
 */
#include "shared/loop/watch.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

struct watch {
        uv_poll_t poll;
        void (*ready)(void *owner, bool readable, bool writable);
        void *owner;
        int interest;
};

static void
report(uv_poll_t *poll, int status, int events)
{
        struct watch *watch = container_of(poll, struct watch, poll);
        struct worker *worker = handler_begin((uv_handle_t *)poll, "descriptor");

        if (status < 0)
                watch->interest = 0; /* libuv has stopped looking */
        watch->ready(watch->owner, status < 0 || (events & UV_READABLE) != 0, status < 0 || (events & UV_WRITABLE) != 0);
        handler_end(worker);
}

struct watch *
watch_new(int fd, void (*ready)(void *owner, bool readable, bool writable), void *owner)
{
        struct worker *worker = worker_here();
        struct watch *watch = MEM_NEW(watch);

        must(worker != NULL);
        must(uv_poll_init(&worker->loop, &watch->poll, fd) == 0);
        watch->ready = ready;
        watch->owner = owner;
        return watch;
}

void
watch_set(struct watch *watch, bool readable, bool writable)
{
        int interest = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

        if (interest == watch->interest)
                return;
        watch->interest = interest;
        if (interest == 0)
                uv_poll_stop(&watch->poll);
        else
                uv_poll_start(&watch->poll, interest, report);
}

static void
free_closed(uv_handle_t *handle)
{
        mem_free(container_of((uv_poll_t *)handle, struct watch, poll));
}

void
watch_free(struct watch **where)
{
        struct watch *watch = *where;

        if (watch == NULL)
                return;
        uv_poll_stop(&watch->poll);
        uv_close((uv_handle_t *)&watch->poll, free_closed);
        *where = NULL;
}
