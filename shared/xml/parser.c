/*
 * parser.c - expat behind a door
 *
 * Three settings are compulsory: the encoding is named (a declared one would be believed otherwise), deferred reparsing is off (a stanza whose
 * last token came in two reads would be held back), and DTDs, processing instructions and comments are refused where they begin.
 *
 * Bytes are fed in pieces of at most 4 KiB, since expat's buffers grow with the largest piece and never shrink. The bytes of a stanza that
 * began in an earlier feed are kept in `raw`; those of one that lies within a feed are shown where they are.
 *
 * A parser that was stopped or has been resting is made anew and primed with a header that declares the same namespaces: the cost is a few
 * microseconds, and expat never sees the same byte twice.
 */
#include "shared/xml/parser.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xml/expat_memory.h"

#include <expat.h>
#include <string.h>

enum { PIECE = 4096, FIRST_BLOCK = 1024, NAME_BYTES = 1024, PREFIX_MAX = 31, DECLARATIONS_MAX = 32, PRIME_MAX = 2048 };

#define SEPARATOR '\xff' /* cannot occur in UTF-8 */
#define NS_STREAM "http://etherx.jabber.org/streams"

struct xml_parser {
        XML_Parser expat; /* NULL while resting */
        struct expat_memory *memory;
        const struct xml_events *events;
        void *owner;
        struct xml_limits limits;

        struct buf prime;    /* start tag of a root with the same declarations; empty until the root came */
        char default_ns[32]; /* the stream's, if it is a content namespace; anything else is only told in opened() */
        char root_prefix[PREFIX_MAX + 1];
        int declarations;

        int depth; /* open elements, the root counted */
        enum xml_problem problem;
        bool is_document : 1; /* the root itself is what is built */
        bool is_primed : 1;   /* expat has seen the prime: its root event is not told */
        bool is_inside : 1;   /* an event or expat is running */
        bool is_stopped : 1;  /* by xml_parser_stop */
        bool has_closed : 1;  /* the root's end was seen */
        bool has_told_close : 1;
        bool has_prefixes : 1; /* the root declares more than the default namespace and "stream" */
        bool is_plain : 1;     /* the child being built, so far */
        bool has_declared : 1; /* the start tag to come declares what makes it not plain */

        /* Positions count bytes since expat was made. */
        size_t fed;       /* all bytes given */
        size_t feed_at;   /* where the caller's bytes begin */
        const char *feed; /* these bytes */
        size_t quiet_at;  /* behind the last thing complete at the root's level */
        size_t child_at, inside_at;
        size_t stop_at;
        struct buf raw; /* bytes from raw_at up to feed_at that may belong to an unfinished child */
        size_t raw_at;

        struct arena *arena; /* of the child being built */
        struct element *child, *current;
        struct buf text; /* gathered until the next tag */
};

static void
give_up(struct xml_parser *parser, enum xml_problem problem)
{
        if (parser->problem == XML_FINE)
                parser->problem = problem;
        XML_StopParser(parser->expat, XML_FALSE);
}

static bool
is_over(const struct xml_parser *parser)
{
        return parser->problem != XML_FINE || parser->is_stopped || parser->has_closed;
}

static bool
is_content(const char *ns)
{
        return strcmp(ns, XML_CONTENT_NS) == 0 || strcmp(ns, "jabber:server") == 0 || strcmp(ns, "jabber:component:accept") == 0;
}

/* "ns SEP local SEP prefix", "ns SEP local" or "local". */
struct name {
        const char *ns, *local, *prefix;
        size_t ns_len, local_len;
};

static struct name
split_name(const char *full)
{
        struct name name = { .ns = "", .local = full, .prefix = "" };
        const char *first = strchr(full, SEPARATOR);

        if (first == NULL) {
                name.local_len = strlen(full);
                return name;
        }
        name.ns = full;
        name.ns_len = (size_t)(first - full);
        name.local = first + 1;
        const char *second = strchr(name.local, SEPARATOR);
        if (second == NULL) {
                name.local_len = strlen(name.local);
        } else {
                name.local_len = (size_t)(second - name.local);
                name.prefix = second + 1;
        }
        return name;
}

static bool
is_text(const char *bytes, size_t len, const char *text)
{
        return strlen(text) == len && memcmp(bytes, text, len) == 0;
}

/* RFC 6120 4.8.2: a child of the root is a stanza in the content namespace that the root has declared, and in no other. */
static bool
is_foreign_stanza(const struct xml_parser *parser, const struct name *name)
{
        return parser->current == NULL && parser->default_ns[0] != '\0' && !is_text(name->ns, name->ns_len, parser->default_ns);
}

/* The same namespace comes again and again: the parent's text is taken where it fits. */
static const char *
keep_namespace(struct xml_parser *parser, const struct name *name)
{
        const struct element *parent = parser->current;

        if (parent != NULL && is_text(name->ns, name->ns_len, parent->ns))
                return parent->ns;
        if (name->ns_len == 0)
                return "";
        bool is_content = is_text(name->ns, name->ns_len, XML_CONTENT_NS) || is_text(name->ns, name->ns_len, "jabber:server") ||
                is_text(name->ns, name->ns_len, "jabber:component:accept");
        if (is_content && !is_foreign_stanza(parser, name))
                return XML_CONTENT_NS;
        return arena_strndup(parser->arena, name->ns, name->ns_len);
}

static void
keep_text(struct xml_parser *parser)
{
        if (parser->text.len == 0)
                return;
        element_put_text(parser->arena, parser->current, buf_data(&parser->text), parser->text.len);
        buf_clear(&parser->text);
}

/* Adds an element below the current one, unless it breaks a limit. */
static enum xml_problem
build_element(struct xml_parser *parser, const struct name *name, const char **attributes)
{
        struct element *element = ARENA_NEW(parser->arena, element);
        element->name = arena_strndup(parser->arena, name->local, name->local_len);
        element->ns = keep_namespace(parser, name);

        int count = 0;
        struct attribute **last = &element->attributes;
        for (; attributes[0] != NULL; attributes += 2) {
                struct name key = split_name(attributes[0]);
                if (++count > parser->limits.attributes)
                        return XML_TOO_MANY_ATTRIBUTES;
                if (key.local_len + key.ns_len > parser->limits.name_bytes)
                        return XML_NAME_TOO_LONG;
                struct attribute *attribute = ARENA_NEW(parser->arena, attribute);
                attribute->name = arena_strndup(parser->arena, key.local, key.local_len);
                if (key.ns_len > 0) {
                        bool is_xml = is_text(key.ns, key.ns_len, XML_NS_XML);
                        attribute->ns = is_xml ? XML_NS_XML : arena_strndup(parser->arena, key.ns, key.ns_len);
                        if (is_text(key.ns, key.ns_len, NS_STREAM))
                                parser->is_plain = false;
                }
                attribute->value = arena_strdup(parser->arena, attributes[1]);
                *last = attribute;
                last = &attribute->next;
        }
        if (parser->current != NULL)
                element_append(parser->current, element);
        parser->current = element;
        return XML_FINE;
}

/* Declarations of the root are gathered for the prime; those at a child decide whether its inside can stand elsewhere. */
static void
see_declaration(void *arg, const char *prefix, const char *uri)
{
        struct xml_parser *parser = arg;
        bool is_default = prefix == NULL;

        if (is_over(parser) || parser->is_primed || parser->is_document)
                return;
        if (uri == NULL)
                uri = "";
        if (parser->depth > 1) {
                /* Kept as it is, an inner element would be in another stream's content namespace. */
                if (is_default && is_content(uri))
                        parser->is_plain = false;
                return;
        }
        if (parser->depth == 1) {
                if (!is_default || !is_content(uri))
                        parser->has_declared = true;
                return;
        }

        if (++parser->declarations > DECLARATIONS_MAX || parser->prime.len + 6 * strlen(uri) > PRIME_MAX) {
                give_up(parser, XML_TOO_MANY_ATTRIBUTES);
                return;
        }
        if (is_default) {
                if (is_content(uri))
                        strcpy(parser->default_ns, uri);
        } else if (strcmp(prefix, "stream") != 0 || strcmp(uri, NS_STREAM) != 0) {
                parser->has_prefixes = true;
        }
        buf_puts(&parser->prime, is_default ? " xmlns=\"" : " xmlns:");
        if (!is_default) {
                buf_puts(&parser->prime, prefix);
                buf_puts(&parser->prime, "=\"");
        }
        for (const char *c = uri; *c != '\0'; c++)
                if (strchr("&<>\"'\t\r\n", *c) != NULL)
                        buf_printf(&parser->prime, "&#%d;", *c);
                else
                        buf_putc(&parser->prime, *c);
        buf_putc(&parser->prime, '"');
}

/* The declarations were gathered before the name was known: put it in front. */
static void
finish_prime(struct xml_parser *parser, const struct name *name)
{
        struct buf prime = { 0 };
        buf_putc(&prime, '<');
        if (name->prefix[0] != '\0') {
                buf_puts(&prime, name->prefix);
                buf_putc(&prime, ':');
        }
        buf_put(&prime, name->local, name->local_len);
        if (parser->prime.len > 0)
                buf_put(&prime, buf_data(&parser->prime), parser->prime.len);
        buf_putc(&prime, '>');
        buf_free(&parser->prime);
        parser->prime = prime;
}

static size_t
behind_event(const struct xml_parser *parser)
{
        return (size_t)XML_GetCurrentByteIndex(parser->expat) + (size_t)XML_GetCurrentByteCount(parser->expat);
}

static void
open_root(struct xml_parser *parser, const struct name *name, const char **attributes)
{
        parser->depth = 1;
        parser->quiet_at = behind_event(parser);
        if (parser->is_primed)
                return;
        if (strlen(name->prefix) > PREFIX_MAX) {
                give_up(parser, XML_NAME_TOO_LONG);
                return;
        }
        if (parser->quiet_at > parser->limits.stanza_bytes) {
                give_up(parser, XML_TOO_LARGE);
                return;
        }
        strcpy(parser->root_prefix, name->prefix);
        finish_prime(parser, name);

        parser->arena = arena_new(FIRST_BLOCK);
        enum xml_problem problem = build_element(parser, name, attributes);
        if (problem == XML_FINE) {
                struct element *header = parser->current;
                parser->current = NULL;
                parser->events->opened(parser->owner, header, parser->default_ns);
        } else {
                give_up(parser, problem);
        }
        parser->current = NULL;
        arena_free(&parser->arena);
}

static void
begin_child(struct xml_parser *parser, const struct name *name)
{
        parser->child_at = (size_t)XML_GetCurrentByteIndex(parser->expat);
        parser->inside_at = behind_event(parser);
        parser->is_plain =
                !parser->has_prefixes && !parser->has_declared && parser->default_ns[0] != '\0' && name->prefix[0] == '\0';
        parser->has_declared = false;
        size_t size = parser->is_document ? 2 * FIRST_BLOCK : FIRST_BLOCK;
        parser->arena = arena_new(size);
        parser->current = NULL;
}

static void
start_element(void *arg, const char *full, const char **attributes)
{
        struct xml_parser *parser = arg;
        if (is_over(parser))
                return;
        struct name name = split_name(full);

        if (name.local_len + name.ns_len > parser->limits.name_bytes) {
                give_up(parser, XML_NAME_TOO_LONG);
                return;
        }
        int root = parser->is_document ? 0 : 1;
        if (parser->depth < root) {
                open_root(parser, &name, attributes);
                return;
        }
        if (parser->depth == root)
                begin_child(parser, &name);
        else
                keep_text(parser);
        parser->depth++;
        if (is_text(name.ns, name.ns_len, NS_STREAM))
                parser->is_plain = false;
        enum xml_problem problem =
                parser->depth - root > parser->limits.depth ? XML_TOO_DEEP : build_element(parser, &name, attributes);
        if (problem != XML_FINE) {
                give_up(parser, problem);
                return;
        }
        if (parser->child == NULL)
                parser->child = parser->current;
}

/* Hands over the child whose end tag begins at `end`. */
static void
finish_child(struct xml_parser *parser, size_t end)
{
        if (behind_event(parser) - parser->child_at > parser->limits.stanza_bytes) {
                give_up(parser, XML_TOO_LARGE);
                return;
        }
        struct xml_source source = { .plain = parser->is_plain, .inside_len = end - parser->inside_at };
        if (parser->inside_at >= parser->feed_at) {
                source.inside = parser->feed + (parser->inside_at - parser->feed_at);
        } else {
                must(parser->inside_at >= parser->raw_at && end >= parser->inside_at);
                if (end > parser->feed_at)
                        buf_put(&parser->raw, parser->feed, end - parser->feed_at);
                source.inside = buf_data(&parser->raw) + (parser->inside_at - parser->raw_at);
        }
        struct arena *arena = parser->arena;
        struct element *child = parser->child;

        parser->quiet_at = behind_event(parser);
        parser->arena = NULL;
        parser->child = parser->current = NULL;
        if (parser->events->element != NULL)
                parser->events->element(parser->owner, arena, child, &source);
        else
                arena_free(&arena);
        buf_clear(&parser->raw);
}

static void
end_element(void *arg, const char *full)
{
        struct xml_parser *parser = arg;
        if (parser->problem != XML_FINE)
                return;
        if (parser->is_stopped) {
                /* An event of the root's start tag stopped us, and the tag was an empty one. */
                if (parser->depth == 1 && !parser->is_document)
                        parser->has_closed = true;
                return;
        }
        parser->depth--;
        if (parser->is_document) {
                keep_text(parser);
                parser->current = parser->current->parent;
                return;
        }
        if (parser->depth == 0) {
                parser->has_closed = parser->has_told_close = true;
                parser->events->closed(parser->owner);
                return;
        }
        keep_text(parser);
        parser->current = parser->current->parent;
        if (parser->depth == 1)
                finish_child(parser, (size_t)XML_GetCurrentByteIndex(parser->expat));
}

static bool
is_space(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
                        return false;
        return true;
}

static void
see_text(void *arg, const char *text, int len)
{
        struct xml_parser *parser = arg;
        if (is_over(parser))
                return;
        if (parser->current != NULL) {
                buf_put(&parser->text, text, (size_t)len);
                return;
        }
        if (!is_space(text, (size_t)len)) {
                give_up(parser, XML_STRAY_TEXT);
                return;
        }
        parser->quiet_at = behind_event(parser);
}

static void
see_xml_declaration(void *arg, const char *version, const char *encoding, int standalone)
{
        if (encoding != NULL && !text_equal_nocase(encoding, "utf-8") && !is_over(arg))
                give_up(arg, XML_UNSUPPORTED_ENCODING);
}

static void
refuse_doctype(void *arg, const char *name, const char *system_id, const char *public_id, int has_internal_subset)
{
        if (!is_over(arg))
                give_up(arg, XML_RESTRICTED);
}

static void
refuse_instruction(void *arg, const char *target, const char *data)
{
        if (!is_over(arg))
                give_up(arg, XML_RESTRICTED);
}

static void
refuse_comment(void *arg, const char *data)
{
        struct xml_parser *parser = arg;
        /* Other programs' documents may hold some; they are skipped. */
        if (!is_over(parser) && !parser->is_document)
                give_up(arg, XML_RESTRICTED);
}

static enum XML_Status
feed_expat(struct xml_parser *parser, const char *bytes, size_t len, bool is_last)
{
        struct expat_memory *before = expat_memory_enter(parser->memory);
        enum XML_Status status = XML_Parse(parser->expat, bytes, (int)len, is_last);

        expat_memory_leave(before);
        return status;
}

static void
free_expat(struct xml_parser *parser)
{
        struct expat_memory *before = expat_memory_enter(parser->memory);

        XML_ParserFree(parser->expat);
        expat_memory_leave(before);
        parser->expat = NULL;
        expat_memory_free(&parser->memory);
}

/* A new expat, in the state of an open root if there was one. */
static void
make_expat(struct xml_parser *parser)
{
        static const char separator[] = { SEPARATOR, '\0' };

        parser->memory = expat_memory_new();
        struct expat_memory *before = expat_memory_enter(parser->memory);
        parser->expat = XML_ParserCreate_MM("UTF-8", &expat_memory_suite, separator);
        expat_memory_leave(before);
        must(parser->expat != NULL);
        XML_SetReturnNSTriplet(parser->expat, 1);
#ifdef HAVE_XML_SETREPARSEDEFERRALENABLED
        XML_SetReparseDeferralEnabled(parser->expat, XML_FALSE);
#endif
        XML_SetUserData(parser->expat, parser);
        XML_SetElementHandler(parser->expat, start_element, end_element);
        XML_SetStartNamespaceDeclHandler(parser->expat, see_declaration);
        XML_SetCharacterDataHandler(parser->expat, see_text);
        XML_SetXmlDeclHandler(parser->expat, see_xml_declaration);
        XML_SetStartDoctypeDeclHandler(parser->expat, refuse_doctype);
        XML_SetProcessingInstructionHandler(parser->expat, refuse_instruction);
        XML_SetCommentHandler(parser->expat, refuse_comment);

        parser->depth = 0;
        parser->fed = parser->quiet_at = 0;
        if (parser->prime.len > 0) {
                parser->is_primed = true;
                must(feed_expat(parser, buf_data(&parser->prime), parser->prime.len, false) == XML_STATUS_OK);
                parser->fed = parser->quiet_at = parser->prime.len;
                parser->is_primed = false;
        }
}

static void
drop_child(struct xml_parser *parser)
{
        arena_free(&parser->arena);
        parser->child = parser->current = NULL;
        buf_free(&parser->text);
        buf_free(&parser->raw);
}

static void
drop_expat(struct xml_parser *parser)
{
        free_expat(parser);
        parser->is_stopped = false;
        drop_child(parser);
}

struct xml_parser *
xml_parser_new(const struct xml_limits *limits, const struct xml_events *events, void *owner)
{
        struct xml_parser *parser = MEM_NEW(parser);
        xml_parser_set_limits(parser, limits);
        parser->events = events;
        parser->owner = owner;
        return parser;
}

void
xml_parser_set_limits(struct xml_parser *parser, const struct xml_limits *limits)
{
        parser->limits = *limits;
        if (parser->limits.name_bytes == 0)
                parser->limits.name_bytes = NAME_BYTES;
}

void
xml_parser_free(struct xml_parser **parser)
{
        struct xml_parser *p = *parser;
        if (p == NULL)
                return;
        must(!p->is_inside);
        if (p->expat != NULL)
                free_expat(p);
        drop_child(p);
        buf_free(&p->prime);
        mem_free(p);
        *parser = NULL;
}

static enum xml_problem
name_problem(enum XML_Error error)
{
        switch (error) {
        case XML_ERROR_UNDEFINED_ENTITY:
        case XML_ERROR_RECURSIVE_ENTITY_REF:
        case XML_ERROR_ASYNC_ENTITY:
        case XML_ERROR_BINARY_ENTITY_REF:
        case XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF:
        case XML_ERROR_AMPLIFICATION_LIMIT_BREACH:
                return XML_RESTRICTED;
        case XML_ERROR_UNBOUND_PREFIX:
                return XML_BAD_NAMESPACE_PREFIX;
        case XML_ERROR_UNKNOWN_ENCODING:
        case XML_ERROR_INCORRECT_ENCODING:
                return XML_UNSUPPORTED_ENCODING;
        default:
                return XML_NOT_WELL_FORMED;
        }
}

/* Bytes of the unfinished child or, between two, of what has begun and is no event yet. */
static size_t
count_pending(const struct xml_parser *parser)
{
        return parser->fed - (parser->child != NULL ? parser->child_at : parser->quiet_at);
}

/* Feeds one piece; false if nothing more is to be fed. */
static bool
feed_piece(struct xml_parser *parser, const char *bytes, size_t len)
{
        parser->fed += len;
        enum XML_Status status = feed_expat(parser, bytes, len, false);

        if (parser->problem != XML_FINE)
                return false;
        if (parser->is_stopped)
                return false;
        if (parser->has_closed)
                return false; /* what follows the root, well-formed or not, is nobody's */
        if (status != XML_STATUS_OK) {
                parser->problem = name_problem(XML_GetErrorCode(parser->expat));
                return false;
        }
        if (count_pending(parser) > parser->limits.stanza_bytes) {
                parser->problem = XML_TOO_LARGE;
                return false;
        }
        return true;
}

/* Sets aside what the caller's buffer will not show again. */
static void
keep_raw(struct xml_parser *parser)
{
        size_t pending = count_pending(parser), here = parser->fed - parser->feed_at;

        if (pending <= here) {
                buf_clear(&parser->raw);
                parser->raw_at = parser->fed - pending;
                buf_put(&parser->raw, parser->feed + (here - pending), pending);
        } else {
                buf_put(&parser->raw, parser->feed, here);
        }
}

enum xml_problem
xml_parser_feed(struct xml_parser *parser, const char *bytes, size_t len, size_t *used)
{
        must(!parser->is_inside);
        *used = 0;
        if (parser->problem != XML_FINE)
                return parser->problem;
        if (parser->is_stopped)
                drop_expat(parser);
        if (parser->has_closed) {
                *used = len;
                if (!parser->has_told_close) {
                        parser->has_told_close = true;
                        parser->events->closed(parser->owner);
                }
                return XML_FINE;
        }
        if (len == 0)
                return XML_FINE;
        if (parser->expat == NULL)
                make_expat(parser);

        parser->is_inside = true;
        parser->feed = bytes;
        parser->feed_at = parser->fed;
        size_t done = 0;
        while (done < len) {
                size_t piece = len - done < PIECE ? len - done : PIECE;
                bool goes_on = feed_piece(parser, bytes + done, piece);
                done += piece;
                if (!goes_on)
                        break;
        }
        parser->is_inside = false;
        if (parser->is_stopped)
                *used = parser->stop_at - parser->feed_at;
        else
                *used = len;
        if (parser->problem != XML_FINE || parser->has_closed)
                drop_child(parser);
        else if (!parser->is_stopped)
                keep_raw(parser);
        parser->feed = NULL;
        return parser->problem;
}

void
xml_parser_stop(struct xml_parser *parser)
{
        must(parser->is_inside || parser->has_closed);
        if (parser->is_stopped || !parser->is_inside)
                return;
        parser->is_stopped = true;
        parser->stop_at = behind_event(parser);
        XML_StopParser(parser->expat, XML_FALSE);
}

const char *
xml_parser_root_prefix(const struct xml_parser *parser)
{
        return parser->root_prefix;
}

bool
xml_parser_rest(struct xml_parser *parser)
{
        if (parser->is_inside || parser->problem != XML_FINE)
                return false;
        if (parser->expat == NULL)
                return true;
        if (!parser->is_stopped && (parser->depth != 1 || parser->child != NULL || count_pending(parser) > 0))
                return false;
        drop_expat(parser);
        return true;
}

struct element *
xml_parse_document(const char *bytes, size_t len, const struct xml_limits *limits, struct arena **arena, enum xml_problem *problem)
{
        struct xml_parser parser = { .is_document = true };
        struct element *root = NULL;

        xml_parser_set_limits(&parser, limits);
        *arena = NULL;
        *problem = XML_TOO_LARGE;
        if (len > limits->stanza_bytes)
                return NULL;

        make_expat(&parser);
        parser.feed = bytes;
        enum XML_Status status = XML_STATUS_OK;
        for (size_t done = 0; status == XML_STATUS_OK;) {
                size_t piece = len - done < PIECE ? len - done : PIECE;
                status = feed_expat(&parser, bytes + done, piece, done + piece == len);
                done += piece;
                if (done == len)
                        break;
        }
        if (parser.problem == XML_FINE && status != XML_STATUS_OK)
                parser.problem = name_problem(XML_GetErrorCode(parser.expat));
        free_expat(&parser);

        *problem = parser.problem;
        if (parser.problem == XML_FINE) {
                root = parser.child;
                *arena = parser.arena;
                parser.arena = NULL;
        }
        drop_child(&parser);
        return root;
}
