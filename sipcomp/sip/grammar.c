/*
 * grammar.c - the one place that talks to libosip2: its parser gives a second opinion on every head
 *
 * It gets the head alone, never a body: its MIME part leaks, drops bodies without Content-Type, and refuses legal multiparts. The headers
 * that describe the body are held back for the same reason, and the start line is written anew, because a response line without a phrase
 * makes it swallow the first header. What it accepts is not yet good: it takes messages without From, two '@' in a URI and much more.
 */
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "sipcomp/sip/frame.h"
#include "sipcomp/sip/sip_private.h"

#include <sys/time.h>
#include <time.h>

#include <osipparser2/osip_const.h>
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
start_parser(void)
{
        must(parser_init() == 0);
        osip_trace_initialize(0, NULL);
}

/* Shown to libosip2 only where it has a grammar for it; unknown headers and those of the body say nothing. 0: not worth it. */
static unsigned
number_of(const char *name)
{
        static const char *const names[] = { "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Record-Route" };
        for (unsigned i = 0; i < array_len(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return i + 1;
        return 0;
}

/* Lines it has accepted lately. It looks at each by itself, and most lines of a dialog are the same in every message. The hash is keyed (see
 * map.c), so nobody can make a line that is taken for another. */
enum { ACCEPTED = 4096 };
static _Thread_local uint64_t accepted[ACCEPTED];

static uint64_t
hash_of(unsigned number, const char *value)
{
        return map_hash(value, strlen(value)) ^ number * 0x9e3779b97f4a7c15u;
}

bool
grammar_holds(const struct sip_message *message)
{
        struct buf text = { 0 };
        osip_message_t *parsed = NULL;

        pthread_once(&once, start_parser);
        /* A Request-URI of another scheme is answered 416 further up, so its grammar does not matter. */
        if (message->uri != NULL)
                buf_printf(&text, "%s %s SIP/2.0\r\n", message->method, message->target.host != NULL ? message->uri : "sip:other");
        else
                buf_printf(&text, "SIP/2.0 %d OK\r\n", message->status);
        uint64_t shown[SIP_HEAD_LINES + 1];
        size_t count = 0;
        for (size_t i = 0; i < message->header_count; i++) {
                unsigned number = number_of(message->headers[i].name);
                uint64_t hash = number == 0 ? 0 : hash_of(number, message->headers[i].value);
                if (number == 0 || accepted[hash % ACCEPTED] == hash)
                        continue;
                message_print_line(&text, message->headers[i].name, message->headers[i].value);
                if (count < array_len(shown))
                        shown[count++] = hash;
        }
        buf_puts(&text, "Content-Length: 0\r\n\r\n");

        must(osip_message_init(&parsed) == 0);
        bool holds = osip_message_parse(parsed, buf_text(&text), text.len) == 0;
        osip_message_free(parsed);
        buf_free(&text);
        for (size_t i = 0; i < count && holds; i++)
                accepted[shown[i] % ACCEPTED] = shown[i];
        return holds;
}

const char *
grammar_content_type(struct arena *arena, const char *text)
{
        osip_content_type_t *parsed = NULL;
        char *type = NULL;

        pthread_once(&once, start_parser);
        must(osip_content_type_init(&parsed) == 0);
        if (osip_content_type_parse(parsed, text) == 0 && parsed->type != NULL && parsed->subtype != NULL &&
                sip_is_token(parsed->type) && sip_is_token(parsed->subtype)) {
                type = arena_printf(arena, "%s/%s", parsed->type, parsed->subtype);
                for (char *at = type; *at != '\0'; at++)
                        if (*at >= 'A' && *at <= 'Z')
                                *at += 'a' - 'A';
        }
        osip_content_type_free(parsed);
        return type;
}

const char *
grammar_reason(int status)
{
        return osip_message_get_reason(status);
}
