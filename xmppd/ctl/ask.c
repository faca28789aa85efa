/*
 * ask.c - the running server, or its store when it is down
 */
#include "shared/base/mem.h"
#include "shared/control/control.h"
#include "xmppd/ctl/ctl.h"
#include "xmppd/user/tables.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

int
ctl_ask_at(const char *socket, int argc, const char *const *argv, struct buf *answer, struct err *err)
{
        return control_ask(socket, argc, (char *const *)argv, PATIENCE_MS, answer, err);
}

int
ctl_ask(struct ctl *ctl, int argc, const char *const *argv, struct buf *answer)
{
        return ctl_ask_told(ctl, argc, argv, NULL, NULL, answer);
}

int
ctl_ask_told(struct ctl *ctl, int argc, const char *const *argv, control_told *told, void *arg, struct buf *answer)
{
        const char *socket = config_text(ctl->top, "control");
        struct err err;
        int rc = control_ask_told(socket, argc, (char *const *)argv, PATIENCE_MS, told, arg, answer, &err);

        if (rc == 0)
                refuse("%s", buf_text(answer));
        return rc;
}

/* What root makes in the store must stay usable for the server. */
static int
become_owner(const char *dir)
{
        struct stat st;

        if (geteuid() != 0 || stat(dir, &st) != 0 || st.st_uid == 0)
                return 0;
        return setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0 ? -1 : 0;
}

bool
ctl_store_exists(const struct ctl *ctl)
{
        struct stat st;
        char *path = arena_printf(ctl->arena, "%s/data.mdb", ctl_state_dir(ctl));

        return stat(path, &st) == 0;
}

struct store *
ctl_open_store(struct ctl *ctl, bool read_only)
{
        struct store_options options = user_store_options(ctl_state_dir(ctl));
        struct err err;

        options.map_mib = (size_t)config_number(section_of(ctl->top, "store"), "map-size");
        options.read_only = read_only;
        if (become_owner(options.dir) != 0) {
                refuse("%s: cannot act as the owner of the store", options.dir);
                return NULL;
        }
        struct store *store = store_open(&options, &err);
        if (store == NULL)
                refuse("%s", err.text);
        return store;
}
