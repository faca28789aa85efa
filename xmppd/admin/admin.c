/*
 * admin.c - the administrator's commands on the control socket
 *
 * What only reads the store (user list, user show, export) xmppctl does by itself; what changes accounts goes through here while the server
 * runs, since a loaded account is the truth.
 */
#include "xmppd/admin/admin.h"

#include "shared/control/common.h"
#include "xmppd/admin/admin_private.h"

struct store *admin_store;

static struct admin_doors doors;
static struct control *control;

static void
reload(struct control_request *request, int argc, char *const *argv)
{
        common_reload(request, doors.reload);
}

static const struct control_command commands[] = {
        { "status", admin_status },
        { "sessions", admin_sessions },
        { "components", admin_components },
        { "limits", admin_limits },
        { "s2s", admin_s2s },
        { "explain", admin_explain },
        { "user add", admin_user_add },
        { "user change", admin_user_change },
        { "user del", admin_user_remove },
        { "reload", reload },
        { "log", common_log },
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
