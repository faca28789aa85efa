/*
 * admin.c - the administrator's commands on the control socket
 *
 * What only reads the store (user list, user show, export) xmppctl does by itself; what changes accounts goes through here while the server
 * runs, since a loaded account is the truth.
 */
#include "xmppd/admin/admin.h"

#include "shared/base/log.h"
#include "xmppd/admin/admin_private.h"

#include <string.h>

struct store *admin_store;

static struct admin_doors doors;
static struct control *control;

void
admin_answer(struct control_request *request, struct buf *json)
{
        control_answer(request, true, buf_text(json), json->len);
        buf_free(json);
}

static void
reload(struct control_request *request, int argc, char *const *argv)
{
        struct buf text = { 0 }, out = { 0 };
        struct json_writer json = { .out = &out };

        if (doors.reload(&text) != 0) {
                control_answer(request, false, buf_text(&text), text.len);
        } else {
                json_open_object(&json, NULL);
                json_put_text(&json, "note", text.len > 0 ? buf_text(&text) : NULL);
                json_close_object(&json);
                admin_answer(request, &out);
        }
        buf_free(&text);
}

/* log ROOM LEVEL [--peer WHOM]; a level of "default" takes the exception back. */
static void
set_log(struct control_request *request, int argc, char *const *argv)
{
        bool has_peer = argc == 4 && strcmp(argv[2], "--peer") == 0;
        int level = argc >= 2 && strcmp(argv[1], "default") != 0 ? log_level_of(argv[1]) : -1;
        struct buf out = { 0 };

        if ((argc != 2 && !has_peer) || (level < 0 && strcmp(argv[1], "default") != 0)) {
                control_refuse(request, "log SUBSYSTEM LEVEL [--peer DOMAIN]; levels: error, warn, info, debug, trace, default");
        } else if (!log_set_exception(argv[0], has_peer ? argv[3] : "", level)) {
                control_refuse(request, "too many levels are set apart; take one back with: log SUBSYSTEM default");
        } else {
                buf_puts(&out, "{}");
                admin_answer(request, &out);
        }
}

static const struct control_command commands[] = {
        { "status", admin_status },
        { "sessions", admin_sessions },
        { "components", admin_components },
        { "limits", admin_limits },
        { "user add", admin_user_add },
        { "user change", admin_user_change },
        { "user del", admin_user_remove },
        { "reload", reload },
        { "log", set_log },
        { 0 },
};

int
admin_start(const char *socket_path, struct store *store, const struct admin_doors *all, struct err *err)
{
        admin_store = store;
        doors = *all;
        control = control_open(socket_path, commands, err);
        return control == NULL ? -1 : 0;
}

void
admin_stop(void)
{
        control_close(&control);
}
