/*
 * limits.c - what peers may cost, and which of it has been reached
 */
#include "xmppd/admin/admin_private.h"
#include "xmppd/route/limits.h"

#include <stdio.h>

void
admin_limits(struct control_request *request, int argc, char *const *argv)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        json_open_object(&json, NULL);
        json_open_array(&json, "limits");
        for (enum limit limit = 0; limit < LIMITS; limit++) {
                const struct limit_row *row = limit_row(limit);
                char name[80];
                snprintf(name, sizeof(name), "%s.%s", row->section, row->setting.name);
                json_open_object(&json, NULL);
                json_put_text(&json, "limit", name);
                json_put_number(&json, "value", limit_value(limit));
                json_put_number(&json, "hits", (int64_t)limit_hits(limit));
                json_put_text(&json, "consequence", row->consequence);
                json_close_object(&json);
        }
        json_close_array(&json);
        json_close_object(&json);
        common_answer(request, &out);
}
