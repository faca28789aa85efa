/*
 * offload.c - libuv's pool of threads, with jobs that carry all they touch
 */
#include "shared/loop/offload.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

static void
work_on(uv_work_t *request)
{
        struct offload *job = request->data;

        job->work(job);
}

static void
finish(uv_work_t *request, int status)
{
        struct offload *job = request->data;
        struct worker *worker = worker_here();

        handler_enter(worker, "what the pool has done");
        job->request = NULL;
        mem_free(request);
        job->done(job);
        handler_end(worker);
}

void
offload_start(struct offload *job)
{
        struct worker *worker = worker_here();
        uv_work_t *request = MEM_NEW(request);

        must(worker != NULL && job->request == NULL);
        request->data = job;
        job->request = request;
        must(uv_queue_work(&worker->loop, request, work_on, finish) == 0);
}
