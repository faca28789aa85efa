/* handler.h - which handlers of a loop take long
 *
 * No handler should take 10 ms of CPU time: everybody else on its worker waits meanwhile. Whoever does is counted under the name of what it
 * was about, for the administrator.
 */
#ifndef SHARED_LOOP_HANDLER_H
#define SHARED_LOOP_HANDLER_H

#include "shared/loop/worker.h"

#include <stddef.h>
#include <stdint.h>

enum { HANDLER_LONG_MS = 10, HANDLER_NAMES = 24 };

/* What the running handler is about from here on: a literal. Where several are named, the time counts for the last. */
void handler_note(const char *name);

struct long_handler {
        const char *name;
        uint64_t count, longest_us; /* thread CPU time */
};
/* Any thread. The names under which handlers of this worker took long; how many there are. */
size_t handler_long(const struct worker *worker, struct long_handler all[HANDLER_NAMES]);

#endif
