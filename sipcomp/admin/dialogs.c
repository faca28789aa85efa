/*
 * dialogs.c - `dialogs [DOMAIN] [--from N]`: each subscription of either direction and each session
 */
#include "shared/base/clock.h"
#include "shared/base/text.h"
#include "shared/control/common.h"
#include "sipcomp/admin/admin_private.h"

#include <string.h>

struct list_of_dialogs {
        struct json_writer *json;
        int64_t now;
        size_t from, count;
};

static void
put_seconds(struct json_writer *json, const char *key, int64_t ms)
{
        if (ms >= 0)
                json_put_number(json, key, ms / 1000);
        else
                json_put_text(json, key, NULL);
}

static bool
put_dialog(void *arg, const struct simple_view *view)
{
        struct list_of_dialogs *list = arg;
        struct json_writer *json = list->json;
        size_t i = list->count++;

        if (i < list->from || i >= list->from + ADMIN_ROWS)
                return true;
        json_open_object(json, NULL);
        json_put_text(json, "kind", view->kind);
        json_put_text(json, "local", view->pair->local);
        json_put_text(json, "foreign", view->pair->foreign);
        json_put_text(json, "state", view->state);
        put_seconds(json, "age", view->began != 0 ? list->now - view->began : -1);
        put_seconds(json, "expires", view->expires > list->now ? view->expires - list->now : -1);
        json_put_number(json, "cseq", view->cseq);
        json_put_number(json, "their_cseq", view->their_cseq);
        json_put_text(json, "last", view->heard[0] != '\0' ? view->heard : NULL);
        put_seconds(json, "ago", view->heard_at != 0 ? list->now - view->heard_at : -1);
        json_put_text(json, "next", view->next[0] != '\0' ? view->next : NULL);
        put_seconds(json, "in", view->next_at > list->now ? view->next_at - list->now : -1);
        json_put_text(json, "call_id", view->call_id);
        json_close_object(json);
        return true;
}

/* False: they make no sense. */
static bool
read_words(int argc, char *const *argv, const char **domain, size_t *from)
{
        *domain = NULL;
        *from = 0;
        for (int i = 0; i < argc; i++) {
                int64_t number = text_equal(argv[i], "--from") && i + 1 < argc ? text_number(argv[++i], INT32_MAX) : -1;
                if (number >= 0)
                        *from = (size_t)number;
                else if (*domain == NULL && argv[i][0] != '-')
                        *domain = argv[i];
                else
                        return false;
        }
        return true;
}

void
dialogs_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };
        struct list_of_dialogs list = { .json = &json, .now = clock_wall_ms() };
        const char *domain;

        if (!read_words(argc, argv, &domain, &list.from)) {
                control_refuse(request, "dialogs [DOMAIN] [--from NUMBER]");
                return;
        }
        if (domain != NULL && federation_domain(gateway_federation(gateway), domain) == NULL) {
                control_refuse(request, "there is no sip-domain \"%.100s\"; define it in federation.conf", domain);
                return;
        }
        json_open_object(&json, NULL);
        if (domain == NULL)
                admin_put_domains(&json);
        json_open_array(&json, "dialogs");
        gateway_each(gateway, domain, put_dialog, &list);
        json_close_array(&json);
        json_put_number(&json, "total", (int64_t)list.count);
        if (list.count > list.from + ADMIN_ROWS) {
                json_put_number(&json, "more", (int64_t)(list.count - list.from - ADMIN_ROWS));
                json_put_number(&json, "next_from", (int64_t)(list.from + ADMIN_ROWS));
        }
        json_close_object(&json);
        common_answer(request, &out);
}
