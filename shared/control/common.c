/*
 * common.c - reload and log
 */
#include "shared/control/common.h"

#include "shared/base/json.h"
#include "shared/base/log.h"

#include <string.h>

void
common_answer(struct control_request *request, struct buf *json)
{
        control_answer(request, true, buf_text(json), json->len);
        buf_free(json);
}

void
common_reload(struct control_request *request, int (*reload)(struct buf *text))
{
        struct buf text = { 0 }, out = { 0 };
        struct json_writer json = { .out = &out };

        if (reload(&text) != 0) {
                control_answer(request, false, buf_text(&text), text.len);
        } else {
                json_open_object(&json, NULL);
                json_put_text(&json, "note", text.len > 0 ? buf_text(&text) : NULL);
                json_close_object(&json);
                common_answer(request, &out);
        }
        buf_free(&text);
}

void
common_log(struct control_request *request, int argc, char *const *argv)
{
        bool has_peer = argc == 4 && strcmp(argv[2], "--peer") == 0;
        bool is_default = argc >= 2 && strcmp(argv[1], "default") == 0;
        int level = argc >= 2 && !is_default ? log_level_of(argv[1]) : -1;

        if ((argc != 2 && !has_peer) || (level < 0 && !is_default))
                control_refuse(request, "log SUBSYSTEM LEVEL [--peer DOMAIN]; levels: error, warn, info, debug, trace, default");
        else if (!log_set_exception(argv[0], has_peer ? argv[3] : "", level))
                control_refuse(request, "too many levels are set apart; take one back with: log SUBSYSTEM default");
        else
                control_answer(request, true, "{}", 2);
}
