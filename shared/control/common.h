/* common.h - commands that both daemons answer alike */
#ifndef SHARED_CONTROL_COMMON_H
#define SHARED_CONTROL_COMMON_H

#include "shared/control/control.h"

/* Answers with the document the writer has put there; empties it. */
void common_answer(struct control_request *request, struct buf *json);
/* reload: calls reload(&text), which returns 0 and perhaps leaves a note, or -1 and leaves what is wrong. */
void common_reload(struct control_request *request, int (*reload)(struct buf *text));
/* log ROOM LEVEL [--peer WHOM]; a level of "default" takes the exception back. */
void common_log(struct control_request *request, int argc, char *const *argv);

#endif
