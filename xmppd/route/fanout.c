/*
 * fanout.c - one stanza to many
 *
 * What all copies have in common is written once; for each worker there is a part with the recipients whose home it is. There one small head
 * serves them all, one after the other, unless a recipient keeps it.
 */
#include "xmppd/route/fanout.h"

#include "shared/base/mem.h"
#include "shared/loop/handler.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route_private.h"

enum { FIRST_ROOM = 8 };

struct part {
        struct letter letter;
        struct worker *home;
        struct stanza *model; /* its arena has the addresses */
        struct jid *to;
        size_t count, room;
};

struct fanout {
        struct stanza *of;
        const struct jid *from;
        struct stanza *model; /* made for the first recipient */
        struct part *parts[]; /* by index of the home; NULL: nobody lives there */
};

struct fanout *
fanout_new(struct stanza *of, const struct jid *from)
{
        struct fanout *fanout = mem_new(sizeof(*fanout) + (size_t)home_count() * sizeof(struct part *));

        fanout->of = of;
        fanout->from = from;
        return fanout;
}

static void
deliver(struct part *part)
{
        struct stanza *head = NULL;

        handler_note("fan-out");
        for (size_t i = 0; i < part->count; i++) {
                if (head != NULL && !stanza_readdress(head, &part->to[i]))
                        stanza_unref(&head);
                if (head == NULL)
                        head = stanza_head(part->model, &part->to[i]);
                route_enter(stanza_ref(head));
        }
        stanza_unref(&head);
        stanza_unref(&part->model);
        mem_free(part->to);
        mem_free(part);
}

static void
open_part(struct letter *letter)
{
        deliver(container_of(letter, struct part, letter));
}

static struct part *
part_of(struct fanout *fanout, struct worker *home)
{
        int i = 0;

        while (home_worker(i) != home)
                i++;
        if (fanout->model == NULL)
                fanout->model = stanza_model(fanout->of, fanout->from);
        if (fanout->parts[i] == NULL) {
                fanout->parts[i] = MEM_NEW(fanout->parts[i]);
                fanout->parts[i]->letter.open = open_part;
                fanout->parts[i]->home = home;
                fanout->parts[i]->model = stanza_head(fanout->model, NULL);
        }
        return fanout->parts[i];
}

void
fanout_add(struct fanout *fanout, const struct jid *to)
{
        struct part *part = part_of(fanout, route_home(to));

        if (part->count == part->room) {
                part->room = part->room > 0 ? 2 * part->room : FIRST_ROOM;
                part->to = mem_resize(part->to, part->room, sizeof(*part->to));
        }
        part->to[part->count++] = jid_copy(to, part->model->arena);
}

void
fanout_send(struct fanout **where)
{
        struct fanout *fanout = *where;
        struct part *here = NULL;

        *where = NULL;
        for (int i = 0; i < home_count(); i++) {
                if (fanout->parts[i] == NULL)
                        continue;
                if (on_home(fanout->parts[i]->home))
                        here = fanout->parts[i];
                else
                        worker_post(fanout->parts[i]->home, &fanout->parts[i]->letter);
        }
        stanza_unref(&fanout->model);
        mem_free(fanout);
        if (here != NULL)
                deliver(here);
}
