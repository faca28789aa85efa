/*
 * alarm.c - one libuv timer each
 */
#include "shared/loop/alarm.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

struct alarm {
        uv_timer_t clock;
        void (*ring)(void *arg);
        void *arg;
};

static void
strike(uv_timer_t *clock)
{
        struct worker *worker = handler_begin((uv_handle_t *)clock, "alarm");
        struct alarm *alarm = container_of(clock, struct alarm, clock);

        alarm->ring(alarm->arg);
        handler_end(worker);
}

struct alarm *
alarm_new(void (*ring)(void *arg), void *arg)
{
        struct alarm *alarm = MEM_NEW(alarm);

        must(worker_here() != NULL);
        must(uv_timer_init(&worker_here()->loop, &alarm->clock) == 0);
        uv_unref((uv_handle_t *)&alarm->clock);
        alarm->ring = ring;
        alarm->arg = arg;
        return alarm;
}

static void
release(uv_handle_t *clock)
{
        struct alarm *alarm = container_of(clock, struct alarm, clock);
        mem_free(alarm);
}

void
alarm_free(struct alarm **alarm)
{
        if (*alarm != NULL)
                uv_close((uv_handle_t *)&(*alarm)->clock, release);
        *alarm = NULL;
}

void
alarm_set(struct alarm *alarm, uint64_t ms)
{
        if (!alarm_is_set(alarm))
                uv_timer_start(&alarm->clock, strike, ms, 0);
}

bool
alarm_is_set(const struct alarm *alarm)
{
        return uv_is_active((const uv_handle_t *)&alarm->clock);
}
