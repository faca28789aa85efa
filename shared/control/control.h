/* control.h - the control socket: one line of command in, one JSON document or an error sentence out
 *
 * Request: words, shell-quoted where needed, ended by LF; at most 960 KiB. Answer: "ok LENGTH\n" or "no LENGTH\n" and LENGTH bytes; a command that takes
 * long may tell how it goes on before that, each time as "yet LENGTH\n" and LENGTH bytes. The socket is mode 0600 in a
 * directory only its owner may write to. Runs on the worker that opens it (the main thread's).
 */
#ifndef SHARED_CONTROL_CONTROL_H
#define SHARED_CONTROL_CONTROL_H

#include "shared/base/buf.h"
#include "shared/base/err.h"

#include <stdbool.h>

struct control;
struct control_request; /* answered exactly once, now or later, on the same worker */

struct control_command {
        const char *name;                                                          /* one or two words: "status", "user add" */
        void (*run)(struct control_request *request, int argc, char *const *argv); /* argv[0] is the first word behind the name */
};

/* commands end with a NULL name. NULL with a sentence if the socket cannot be made or another process answers on it. */
struct control *control_open(const char *path, const struct control_command *commands, struct err *err);
void control_close(struct control **control);
/* Takes the request; the bytes are copied. ok: JSON. Not ok: a sentence that says why and what to do. */
void control_answer(struct control_request *request, bool ok, const char *bytes, size_t len);
/* Before the answer, to who has asked for it: what is known so far. */
void control_tell(struct control_request *request, const char *bytes, size_t len);
/* Bytes told or answered that whoever has asked has not taken yet. */
size_t control_waiting(const struct control_request *request);
/* He does not listen any more; an answer is still owed. */
bool control_is_deserted(const struct control_request *request);
void control_refuse(struct control_request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The other end, for xmppctl: blocking, at most timeout_ms. Returns 1 ok, 0 refused (answer holds the sentence), -1 with err: nobody answers. */
int control_ask(const char *path, int argc, char *const *argv, int timeout_ms, struct buf *answer, struct err *err);
/* The same, with an ear for what is told before the answer; NULL: it is dropped. */
typedef void control_told(void *arg, const char *bytes, size_t len);
int control_ask_told(const char *path, int argc, char *const *argv, int timeout_ms, control_told *told, void *arg,
        struct buf *answer, struct err *err);

#endif
