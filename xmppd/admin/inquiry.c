/*
 * inquiry.c - what is asked of every worker, each of which writes into a place of its own
 */
#include "shared/base/mem.h"
#include "shared/loop/worker.h"
#include "xmppd/admin/admin_private.h"
#include "xmppd/route/home.h"

struct inquiry *
inquiry_new(struct control_request *request)
{
        struct inquiry *inquiry = mem_new(sizeof(*inquiry) + (size_t)home_count() * sizeof(struct inquiry_part));

        inquiry->request = request;
        for (int i = 0; i < home_count(); i++)
                for (int list = 0; list < INQUIRY_LISTS; list++)
                        inquiry->parts[i].lists[list].json.out = &inquiry->parts[i].lists[list].out;
        return inquiry;
}

struct inquiry_part *
inquiry_part(void *arg)
{
        return &((struct inquiry *)arg)->parts[worker_index(worker_here())];
}

static void
join_parts(struct inquiry *inquiry, int list, struct buf *out)
{
        const char *between = "";

        for (int i = 0; i < home_count(); i++) {
                struct buf *part = &inquiry->parts[i].lists[list].out;
                if (part->len > 0) {
                        buf_puts(out, between);
                        buf_put(out, buf_data(part), part->len);
                        between = ",";
                }
                buf_free(part);
        }
}

void
inquiry_answer(struct inquiry *inquiry, const char *name, const char *second)
{
        struct buf out = { 0 };

        buf_printf(&out, "{\"%s\":[", name);
        join_parts(inquiry, 0, &out);
        if (second != NULL) {
                buf_printf(&out, "],\"%s\":[", second);
                join_parts(inquiry, 1, &out);
        }
        buf_puts(&out, "]}");
        common_answer(inquiry->request, &out);
        mem_free(inquiry);
}
