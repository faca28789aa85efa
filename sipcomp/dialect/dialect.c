/*
 * dialect.c - finding a dialect, and reading its presence table from either side
 */
#include "sipcomp/dialect/dialect.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct dialect *const dialects[] = { &dialect_simple, &dialect_lync, &dialect_ocs, &dialect_aol };

/* A Jabber client that is busy says `away` with one of these (6.1). */
static const char *const busy_words[] = { "busy", "on a call", "on the phone", "in a meeting", "presenting" };

const struct dialect *
dialect_of(const char *name)
{
        for (size_t i = 0; i < array_len(dialects); i++)
                if (text_equal(dialects[i]->name, name))
                        return dialects[i];
        return NULL;
}

static bool
says_busy(const char *status)
{
        if (status == NULL)
                return false;
        while (isspace((unsigned char)*status))
                status++;
        size_t len = strlen(status);
        while (len > 0 && isspace((unsigned char)status[len - 1]))
                len--;
        for (size_t i = 0; i < array_len(busy_words); i++)
                if (strlen(busy_words[i]) == len && strncasecmp(busy_words[i], status, len) == 0)
                        return true;
        return false;
}

const char *
dialect_activity(const struct dialect *dialect, const char *show, const char *status)
{
        if (show == NULL)
                show = "";
        for (const struct presence_row *row = dialect->presence; row->show != NULL; row++)
                if ((row->way & PRESENCE_OUT) != 0 && text_equal(row->show, show) && (row->status == NULL || says_busy(status)))
                        return row->activity;
        return ""; /* an unknown show counts as none (RFC 6121 4.7.2.1) */
}

static const struct presence_row *
find_activity(const struct dialect *dialect, const char *activity)
{
        for (const struct presence_row *row = dialect->presence; row->show != NULL; row++)
                if ((row->way & PRESENCE_IN) != 0 && strcasecmp(row->activity, activity) == 0)
                        return row;
        return NULL;
}

const char *
dialect_show(const struct dialect *dialect, const char *activity, char *words, const char **status)
{
        const struct dialect *speaks = dialect;
        const struct presence_row *row = find_activity(dialect, activity == NULL ? "" : activity);
        if (row == NULL) { /* RFC 4480 knows more words than a Microsoft or AOL table needs */
                speaks = &dialect_simple;
                row = find_activity(speaks, activity);
        }
        *status = NULL;
        if (row == NULL)
                return "";
        *status = row->status;
        if (row->status == NULL && speaks->activity_names_status && row->activity[0] != '\0') {
                snprintf(words, 64, "%s", row->activity);
                for (char *c = words; *c != '\0'; c++)
                        if (*c == '-')
                                *c = ' ';
                *status = words;
        }
        return row->show;
}
