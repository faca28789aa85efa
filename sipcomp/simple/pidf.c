/*
 * pidf.c - presence documents
 *
 * The namespace of the early RPID draft differs from sender to sender, so activities are found by local names.
 */
#include "sipcomp/simple/pidf.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xml/parser.h"
#include "shared/xml/writer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NS_PIDF "urn:ietf:params:xml:ns:pidf"

static const struct xml_limits limits = { .stanza_bytes = PIDF_DOCUMENT_MAX, .depth = 32, .attributes = 64 };

static bool
is_named(const struct element *element, const char *name)
{
        return text_equal(element->name, name);
}

static struct element *
child_named(const struct element *element, const char *name)
{
        return element == NULL ? NULL : element_child(element, name, NULL);
}

static char *
trimmed(struct arena *arena, const struct element *element)
{
        const char *text = element_text(element, arena);
        while (isspace((unsigned char)*text))
                text++;
        size_t len = strlen(text);
        while (len > 0 && isspace((unsigned char)text[len - 1]))
                len--;
        return arena_strndup(arena, text, len);
}

/* Cut at the limit, between two characters. */
static char *
trimmed_to(struct arena *arena, const struct element *element, size_t max)
{
        char *text = trimmed(arena, element);
        if (strlen(text) > max) {
                while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
                        max--;
                text[max] = '\0';
        }
        return text;
}

static const char *
skip_scheme(const char *uri)
{
        static const char *const schemes[] = { "sip:", "sips:", "pres:" };
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
                if (strncasecmp(uri, schemes[i], strlen(schemes[i])) == 0)
                        return uri + strlen(schemes[i]);
        return uri;
}

/* The next byte of a user part: %hh decoded; -1 at the end. */
static int
next_of_user(const char **at, const char *end)
{
        if (*at >= end)
                return -1;
        const char *c = *at;
        if (*c == '%' && end - c >= 3 && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2])) {
                char digits[3] = { c[1], c[2], '\0' };
                *at += 3;
                return (int)strtol(digits, NULL, 16);
        }
        (*at)++;
        return (unsigned char)*c;
}

static bool
same_user(const char *a, size_t a_len, const char *b, size_t b_len, bool loose)
{
        const char *a_end = a + a_len, *b_end = b + b_len;
        for (;;) {
                int x = next_of_user(&a, a_end), y = next_of_user(&b, b_end);
                while (loose && x == ' ')
                        x = next_of_user(&a, a_end);
                while (loose && y == ' ')
                        y = next_of_user(&b, b_end);
                if (loose ? tolower(x) != tolower(y) : x != y)
                        return false;
                if (x < 0)
                        return true;
        }
}

bool
pidf_same_entity(const char *a, const char *b, bool loose)
{
        a = skip_scheme(a);
        b = skip_scheme(b);
        const char *a_at = strchr(a, '@'), *b_at = strchr(b, '@');
        if (a_at == NULL || b_at == NULL)
                return false;
        size_t a_host = strcspn(a_at + 1, ":;?>"), b_host = strcspn(b_at + 1, ":;?>");
        return a_host == b_host && strncasecmp(a_at + 1, b_at + 1, a_host) == 0 &&
                same_user(a, (size_t)(a_at - a), b, (size_t)(b_at - b), loose);
}

/* 1 open, 0 closed, -1 neither. */
static int
basic_of(struct arena *arena, const struct element *tuple)
{
        struct element *basic = child_named(child_named(tuple, "status"), "basic");
        if (basic == NULL)
                return -1;
        const char *text = trimmed(arena, basic);
        return strcmp(text, "open") == 0 ? 1 : strcmp(text, "closed") == 0 ? 0 : -1;
}

static double
priority_of(const struct element *tuple)
{
        struct element *contact = child_named(tuple, "contact");
        const char *text = contact == NULL ? NULL : element_attribute(contact, "priority");
        double priority = text == NULL ? 0 : strtod(text, NULL);
        return priority >= 0 && priority <= 1 ? priority : 0; /* RFC 3863 4.1.3 */
}

/* The open tuple with the highest priority, the earlier one where they are equal; NULL: nobody is there. */
static const struct element *
best_tuple(struct arena *arena, const struct element *root)
{
        const struct element *best = NULL;
        for (struct element *child = element_first(root); child != NULL; child = element_next(child))
                if (is_named(child, "tuple") && basic_of(arena, child) == 1 &&
                        (best == NULL || priority_of(child) > priority_of(best)))
                        best = child;
        return best;
}

/* What can be the name of an element, as RPID has it (RFC 4480, 3.2). */
static const char *
word(struct arena *arena, const char *text)
{
        size_t len = strlen(text);
        if (len == 0 || len > PIDF_ACTIVITY_MAX || !isalpha((unsigned char)text[0]))
                return NULL;
        char *out = arena_strdup(arena, text);
        for (char *c = out; *c != '\0'; c++) {
                *c = (char)tolower((unsigned char)*c);
                if (!isalnum((unsigned char)*c) && *c != '-')
                        return NULL;
        }
        return out;
}

/* <activities><activity>busy</activity></activities>: the draft's form, which Microsoft and AOL write. */
static const char *
activity_by_text(struct arena *arena, const struct element *status)
{
        struct element *activities = child_named(status, "activities");
        for (struct element *child = activities == NULL ? NULL : element_first(activities); child != NULL;
                child = element_next(child)) {
                const char *found = is_named(child, "activity") ? word(arena, trimmed(arena, child)) : NULL;
                if (found != NULL)
                        return found;
        }
        return NULL;
}

/* <activities><busy/></activities>: RFC 4480 3.2. */
static const char *
activity_by_name(struct arena *arena, const struct element *in)
{
        struct element *activities = child_named(in, "activities");
        for (struct element *child = activities == NULL ? NULL : element_first(activities); child != NULL;
                child = element_next(child))
                if (!is_named(child, "note") && !is_named(child, "unknown") && !is_named(child, "activity") &&
                        word(arena, child->name) != NULL)
                        return word(arena, child->name);
        return NULL;
}

static const char *
activity_of(struct arena *arena, const struct element *root, const struct element *tuple)
{
        struct element *person = child_named(root, "person");
        const char *activity = activity_by_text(arena, child_named(tuple, "status"));
        if (activity == NULL)
                activity = activity_by_name(arena, tuple);
        if (activity == NULL)
                activity = activity_by_name(arena, child_named(tuple, "status"));
        if (activity == NULL)
                activity = activity_by_name(arena, person);
        return activity == NULL ? "" : activity;
}

static bool
has_lang(const struct pidf *pidf, const char *lang)
{
        for (size_t i = 0; i < pidf->note_count; i++)
                if (text_equal(pidf->notes[i].lang, lang))
                        return true;
        return false;
}

static void
take_notes(struct pidf *pidf, struct arena *arena, const struct element *in)
{
        for (struct element *child = in == NULL ? NULL : element_first(in); child != NULL; child = element_next(child)) {
                if (!is_named(child, "note") || pidf->note_count == PIDF_NOTES)
                        continue;
                const char *lang = element_attribute_ns(child, "lang", XML_NS_XML);
                const char *text = trimmed_to(arena, child, PIDF_NOTE_MAX);
                if (text[0] != '\0' && !has_lang(pidf, lang))
                        pidf->notes[pidf->note_count++] = (struct pidf_note){ arena_strdup(arena, lang), text };
        }
}

enum pidf_verdict
pidf_read(struct pidf *pidf, struct arena *arena, const char *bytes, size_t len, const char *entity, bool loose)
{
        struct arena *tree = NULL;
        enum xml_problem problem;
        enum pidf_verdict verdict = PIDF_BROKEN;

        *pidf = (struct pidf){ .activity = "" };
        struct element *root = len > PIDF_DOCUMENT_MAX ? NULL : xml_parse_document(bytes, len, &limits, &tree, &problem);
        if (root == NULL)
                return PIDF_BROKEN;
        const char *of = element_attribute(root, "entity");
        if (!element_is(root, "presence", NS_PIDF) || of == NULL)
                goto out;
        verdict = PIDF_OF_ANOTHER;
        if (!pidf_same_entity(of, entity, loose))
                goto out;
        verdict = PIDF_FINE;
        const struct element *tuple = best_tuple(arena, root);
        struct element *name = child_named(root, "display-name");
        if (name != NULL)
                pidf->display_name = trimmed_to(arena, name, 255);
        if (tuple == NULL)
                goto out;
        pidf->open = true;
        pidf->activity = activity_of(arena, root, tuple);
        take_notes(pidf, arena, tuple);
        if (pidf->note_count == 0)
                take_notes(pidf, arena, child_named(root, "person"));
        if (pidf->note_count == 0)
                take_notes(pidf, arena, root);
out:
        arena_free(&tree);
        return verdict;
}

const struct pidf pidf_closed = { .activity = "" };

static size_t
size_of(const char *text)
{
        return text == NULL ? 0 : strlen(text) + 1;
}

const struct pidf *
pidf_copy(const struct pidf *pidf)
{
        size_t room = size_of(pidf->activity) + size_of(pidf->display_name);
        if (!pidf->open && pidf->note_count == 0 && pidf->activity[0] == '\0' && pidf->display_name == NULL)
                return &pidf_closed;
        for (size_t i = 0; i < pidf->note_count; i++)
                room += size_of(pidf->notes[i].lang) + size_of(pidf->notes[i].text);
        struct pidf *copy = mem_new(sizeof(*copy) + room);
        char *at = (char *)(copy + 1);
        *copy = *pidf;
        copy->activity = text_place(&at, pidf->activity);
        copy->display_name = text_place(&at, pidf->display_name);
        for (size_t i = 0; i < pidf->note_count; i++)
                copy->notes[i] = (struct pidf_note){ text_place(&at, pidf->notes[i].lang), text_place(&at, pidf->notes[i].text) };
        return copy;
}

void
pidf_free_copy(const struct pidf **pidf)
{
        if (*pidf != &pidf_closed)
                mem_free((void *)*pidf);
        *pidf = NULL;
}

void
pidf_write(struct buf *out, const char *entity, bool open, const char *activity, const char *note)
{
        buf_puts(out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
                "<presence xmlns=\"" NS_PIDF "\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\""
                " xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\""
                " entity=\"");
        xml_write_attribute_value(out, entity);
        buf_puts(out, "\">\r\n<tuple id=\"x1\"><status>");
        if (!open) {
                buf_puts(out, "<basic>closed</basic></status></tuple>\r\n</presence>\r\n");
                return;
        }
        buf_puts(out, "<basic>open</basic>");
        bool active = activity != NULL && activity[0] != '\0';
        if (active)
                buf_printf(out, "<ep:activities><ep:activity>%s</ep:activity></ep:activities>", activity);
        buf_puts(out, "</status>");
        if (note != NULL && note[0] != '\0') {
                buf_puts(out, "<note>");
                xml_write_text(out, note, strlen(note));
                buf_puts(out, "</note>");
        }
        buf_puts(out, "</tuple>\r\n");
        if (active)
                buf_printf(out, "<dm:person id=\"p1\"><rpid:activities><rpid:%s/></rpid:activities></dm:person>\r\n", activity);
        buf_puts(out, "</presence>\r\n");
}
