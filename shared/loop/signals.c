/*
 * signals.c - signals as events of a loop
 *
 * The handles do not keep the loop running; they are closed with the worker.
 */
#include "shared/loop/signals.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

struct signal_handle {
        struct signal_handle *next;
        uv_signal_t signal;
        void (*caught)(int number);
};

static void
report(uv_signal_t *signal, int number)
{
        struct worker *worker = handler_begin((uv_handle_t *)signal, "signal");

        container_of(signal, struct signal_handle, signal)->caught(number);
        handler_end(worker);
}

void
signal_watch(int number, void (*caught)(int number))
{
        struct worker *worker = worker_here();
        struct signal_handle *handle = MEM_NEW(handle);

        must(worker != NULL);
        handle->caught = caught;
        handle->next = worker->signals;
        worker->signals = handle;
        must(uv_signal_init(&worker->loop, &handle->signal) == 0);
        must(uv_signal_start(&handle->signal, report, number) == 0);
        uv_unref((uv_handle_t *)&handle->signal);
}

static void
free_closed(uv_handle_t *handle)
{
        mem_free(container_of((uv_signal_t *)handle, struct signal_handle, signal));
}

void
signals_close(struct worker *worker)
{
        for (struct signal_handle *handle = worker->signals, *next; handle != NULL; handle = next) {
                next = handle->next;
                uv_close((uv_handle_t *)&handle->signal, free_closed);
        }
        worker->signals = NULL;
}
