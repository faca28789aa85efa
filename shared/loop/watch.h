/* watch.h - foreign descriptors on the loop: c-ares, HTTP, signalfd */
#ifndef SHARED_LOOP_WATCH_H
#define SHARED_LOOP_WATCH_H

#include <stdbool.h>

struct watch;

/* The descriptor stays the caller's and must stay open until watch_free. ready runs on this worker, again and again while the condition lasts;
 * after an error of the descriptor both flags are true, so that the next read or write shows it. Nothing is watched before watch_set. */
struct watch *watch_new(int fd, void (*ready)(void *owner, bool readable, bool writable), void *owner);
void watch_set(struct watch *watch, bool readable, bool writable);
/* No event comes after the call; the descriptor may be closed at once. */
void watch_free(struct watch **watch);

#endif
