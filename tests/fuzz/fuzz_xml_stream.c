/*
 * fuzz_xml_stream.c - a stream's bytes, cut where the input says
 *
 * Whatever comes, the same bytes fed whole and fed in pieces give the same elements. The inside of a plain stanza, put
 * into another stanza, gives the same tree again.
 */
#include "shared/base/panic.h"
#include "shared/xml/frame.h"
#include "shared/xml/parser.h"
#include "shared/xml/writer.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_limits limits = { .stanza_bytes = 4096, .depth = 16, .attributes = 8 };

struct witness {
        struct xml_parser *parser;
        struct buf said;
        bool stops;
};

static void
see_header(void *owner, struct element *header, const char *default_ns)
{
        struct witness *w = owner;
        xml_write(&w->said, header, default_ns);
        if (w->stops)
                xml_parser_stop(w->parser);
}

static void
see_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct witness *w = owner;
        struct buf again = { 0 }, before = { 0 };

        xml_write(&w->said, element, NULL);
        must(strlen(buf_text(&w->said)) == w->said.len);
        if (source->plain) {
                struct arena *other;
                enum xml_problem problem;
                const struct xml_limits wide = { .stanza_bytes = 8192, .depth = 64, .attributes = 64 };
                buf_puts(&again, "<m xmlns='jabber:client'>");
                buf_put(&again, source->inside, source->inside_len);
                buf_puts(&again, "</m>");
                struct element *copy = xml_parse_document(buf_data(&again), again.len, &wide, &other, &problem);
                must(copy != NULL);
                buf_clear(&again);
                xml_write_inside(&again, copy);
                xml_write_inside(&before, element);
                must(again.len == before.len && (again.len == 0 || memcmp(buf_data(&again), buf_data(&before), again.len) == 0));
                arena_free(&other);
        }
        buf_free(&again);
        buf_free(&before);
        arena_free(&arena);
        if (w->stops)
                xml_parser_stop(w->parser);
}

static void
see_end(void *owner)
{
        struct witness *w = owner;
        buf_puts(&w->said, "END");
}

static const struct xml_events events = { see_header, see_element, see_end };

static enum xml_problem
run(struct witness *w, const char *bytes, size_t len, size_t step, bool stops, bool rests)
{
        enum xml_problem problem = XML_FINE;
        *w = (struct witness){ .stops = stops };
        w->parser = xml_parser_new(&limits, &events, w);
        for (size_t at = 0; at < len && problem == XML_FINE;) {
                size_t n = len - at < step ? len - at : step, used;
                problem = xml_parser_feed(w->parser, bytes + at, n, &used);
                must(used <= n);
                at += used;
                if (rests)
                        xml_parser_rest(w->parser);
        }
        size_t used;
        if (problem == XML_FINE)
                problem = xml_parser_feed(w->parser, "", 0, &used); /* an end that a stop held back */
        xml_parser_free(&w->parser);
        return problem;
}

/* As a stranger's bytes are read: only whole pieces reach the parser. */
static enum xml_problem
run_gathered(struct witness *w, const char *bytes, size_t len, size_t step)
{
        enum xml_problem problem = XML_FINE;
        struct frame frame = { 0 };
        size_t done = 0, given = 0, used;

        *w = (struct witness){ 0 };
        w->parser = xml_parser_new(&limits, &events, w);
        while (given < len && problem == XML_FINE) {
                given = given + step < len ? given + step : len;
                for (size_t piece; done < given && problem == XML_FINE; done += piece) {
                        piece = frame_scan(&frame, bytes + done, given - done);
                        must(piece <= given - done);
                        if (piece == 0)
                                break;
                        problem = xml_parser_feed(w->parser, bytes + done, piece, &used);
                }
        }
        xml_parser_free(&w->parser);
        return problem;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct witness whole, cut;
        if (size < 1)
                return 0;
        size_t step = (data[0] & 63) + 1u;
        const char *bytes = (const char *)data + 1;
        enum xml_problem one = run(&whole, bytes, size - 1, size, false, false);
        enum xml_problem two = run(&cut, bytes, size - 1, step, data[0] & 64, data[0] & 128);

        /* What is broken may be seen earlier in one cut than in another. */
        if (one == XML_FINE && two == XML_FINE)
                must(whole.said.len == cut.said.len &&
                        (whole.said.len == 0 || memcmp(buf_data(&whole.said), buf_data(&cut.said), whole.said.len) == 0));
        struct witness gathered;
        enum xml_problem three = run_gathered(&gathered, bytes, size - 1, step);
        if (one == XML_FINE && three == XML_FINE) {
                must(gathered.said.len == whole.said.len);
                must(whole.said.len == 0 || memcmp(buf_data(&whole.said), buf_data(&gathered.said), whole.said.len) == 0);
        }
        buf_free(&gathered.said);
        buf_free(&whole.said);
        buf_free(&cut.said);
        return 0;
}
