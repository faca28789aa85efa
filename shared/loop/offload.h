/* offload.h - work that takes milliseconds (password derivation, files, directory) on a pool of threads */
#ifndef SHARED_LOOP_OFFLOAD_H
#define SHARED_LOOP_OFFLOAD_H

struct offload;

/* Embed it. work runs on a pool thread and may touch only what the job carries; done runs afterwards on the worker that started it. */
struct offload {
        void (*work)(struct offload *);
        void (*done)(struct offload *);
        void *request; /* of this room */
};

/* From a worker's thread. The job must stay alive until done; there is no way to cancel it. */
void offload_start(struct offload *job);

#endif
