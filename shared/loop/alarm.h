/* alarm.h - a timer to the millisecond, for the few things that a coarse one (timer.h) is too late for */
#ifndef SHARED_LOOP_ALARM_H
#define SHARED_LOOP_ALARM_H

#include <stdbool.h>
#include <stdint.h>

struct alarm;

/* On the worker it belongs to. */
struct alarm *alarm_new(void (*ring)(void *arg), void *arg);
/* Before the worker stops. */
void alarm_free(struct alarm **alarm);
/* Rings once after ms; one that is set already keeps its time. */
void alarm_set(struct alarm *alarm, uint64_t ms);
bool alarm_is_set(const struct alarm *alarm);

#endif
