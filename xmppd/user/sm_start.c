/*
 * sm_start.c - stream management begins and ends with the server
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/route/home.h"
#include "xmppd/user/sm_private.h"

#include <stdio.h>

/* Each worker opens its journal before anything else reaches it. */
struct opening {
        struct letter letter;
        char *dir;
};

static void
open_here(struct letter *letter)
{
        struct opening *opening = container_of(letter, struct opening, letter);

        journal_open_here(opening->dir);
        hibernate_start_here();
        sweep_start_here();
        ask_start_here();
        mem_free(opening->dir);
        mem_free(opening);
}

int
sm_start(const char *state_dir, struct err *err)
{
        struct buf dir = { 0 };

        buf_printf(&dir, "%s/journal", state_dir);
        int result = sm_replay(buf_text(&dir), err);
        for (int i = 0; result == 0 && i < home_count(); i++) {
                struct opening *opening = MEM_NEW(opening);
                opening->letter.open = open_here;
                opening->dir = mem_strdup(buf_text(&dir));
                worker_post(home_worker(i), &opening->letter);
        }
        buf_free(&dir);
        return result;
}

void
sm_stop_here(void)
{
        ask_stop_here();
        sweep_stop_here();
        hibernate_stop_here();
        journal_close_here();
        sm_forget_wire();
}
