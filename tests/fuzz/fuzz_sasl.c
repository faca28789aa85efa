/*
 * fuzz_sasl.c - a login as the client writes it
 *
 * The first byte chooses the mechanism; messages follow, a line each; "@" in one stands for the nonce of the challenge before it. There are no
 * accounts: nobody gets in, and every refusal is one that RFC 6120 6.5 knows.
 */
#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/worker.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/sasl/sasl.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
        const char *at, *end; /* what has not been said yet */
        struct sasl *sasl;
        unsigned char mechanism;
        char nonce[200];
} client;

static struct snapshot *snapshot;

static void
stop_worker(void *unused)
{
        worker_stop(worker_here());
}

static void
put_in_force(struct letter *letter)
{
        snapshot_put_in_force(snapshot, stop_worker, NULL);
}

/* A configuration that names no directory. */
static void
prepare(void)
{
        static const struct setting none[] = { { 0 } };
        static const struct section_rule inside[] = { { .name = "directory", .titled = true, .settings = none }, { 0 } };
        static const struct section_rule rules = { .name = "", .settings = none, .inside = inside };
        struct buf errors = { 0 }, warnings = { 0 };
        struct letter letter = { .open = put_in_force };
        struct worker *worker = worker_new("fuzz", 0);
        char path[] = "/tmp/fuzz-sasl-XXXXXX";

        close(mkstemp(path));
        struct config *config = config_read(path, &rules, NULL, &errors, &warnings);
        unlink(path);
        must(config != NULL);
        snapshot = snapshot_new(config);
        home_set_workers(&worker, 1);
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        sasl_start(NULL);
}

/* The next line, with the nonce put in. */
static bool
next_message(struct buf *message)
{
        if (client.at >= client.end)
                return false;
        const char *line = client.at, *end = memchr(line, '\n', (size_t)(client.end - line));

        if (end == NULL)
                end = client.end;
        client.at = end + 1;
        for (; line < end; line++)
                if (*line == '@')
                        buf_puts(message, client.nonce);
                else
                        buf_putc(message, *line);
        return true;
}

static void
check_refusal(const char *failure)
{
        static const char *const known[] = { "encryption-required", "invalid-authzid", "invalid-mechanism", "malformed-request",
                "not-authorized" };

        for (size_t i = 0; i < array_len(known); i++)
                if (strcmp(known[i], failure) == 0)
                        return;
        must(!"a failure that is none");
}

static void
hear(void *owner, enum sasl_outcome outcome, const char *bytes, size_t len)
{
        struct buf message = { 0 };

        must(outcome != SASL_SUCCESS);
        if (outcome == SASL_REFUSED) {
                check_refusal(sasl_failure(client.sasl));
                worker_stop(worker_here());
                return;
        }
        const char *comma = bytes == NULL ? NULL : memchr(bytes, ',', len);
        if (comma != NULL && len > 2)
                snprintf(client.nonce, sizeof(client.nonce), "%.*s", (int)(comma - bytes - 2), bytes + 2);
        if (next_message(&message))
                sasl_step(client.sasl, message.len > 0 ? buf_data(&message) : "", message.len);
        else
                worker_stop(worker_here());
        buf_free(&message);
}

static void
begin(struct letter *letter)
{
        static const char *const mechanisms[] = { "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "SCRAM-SHA-256-PLUS", "DIGEST-MD5", "" };
        const char *mechanism = mechanisms[client.mechanism % array_len(mechanisms)];
        bool is_plain = strcmp(mechanism, "PLAIN") == 0;
        struct buf message = { 0 };

        /* PLAIN wants TLS, and does not look at it. */
        client.sasl = sasl_new("capulet.example", is_plain ? (struct tls_session *)(void *)&client : NULL, hear, NULL);
        if (next_message(&message))
                sasl_begin(client.sasl, mechanism, message.len > 0 ? buf_data(&message) : "", message.len);
        else
                sasl_begin(client.sasl, mechanism, NULL, 0);
        buf_free(&message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct letter letter = { .open = begin };

        if (size < 1 || size > 8192)
                return 0;
        if (snapshot == NULL)
                prepare();
        client.mechanism = data[0];
        client.at = (const char *)data + 1;
        client.end = (const char *)data + size;
        client.nonce[0] = '\0';
        struct worker *worker = worker_new("fuzz", 0);
        worker_post(worker, &letter);
        worker_run(worker);
        sasl_free(&client.sasl);
        worker_free(&worker);
        return 0;
}
