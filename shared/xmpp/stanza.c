/*
 * stanza.c - one arena for each stanza: the struct, its texts, its tree and its bytes
 *
 * What was plain on the wire is copied once, as it came, and never written from the tree.
 */
#include "shared/xmpp/stanza.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"

#include <stdlib.h>
#include <string.h>

enum {
        FIRST_BLOCK = 1024,
        DERIVED_BLOCK = 768,
        HEAD_BLOCK = 384,
        AROUND = 120,
        RETURNED_MAX = 64 * 1024,
        KEPT_MAX = 64 * 1024 * 1024
};

struct stanza_form {
        const char *before, *after;
        size_t before_len, after_len;
};

static const char *const kind_names[] = {
        [STANZA_MESSAGE] = "message",
        [STANZA_PRESENCE] = "presence",
        [STANZA_IQ] = "iq",
};

static const struct type_name {
        enum stanza_kind kind;
        const char *name; /* NULL: the attribute is absent */
} types[] = {
        [MESSAGE_NORMAL] = { STANZA_MESSAGE, NULL },
        [MESSAGE_CHAT] = { STANZA_MESSAGE, "chat" },
        [MESSAGE_HEADLINE] = { STANZA_MESSAGE, "headline" },
        [MESSAGE_GROUPCHAT] = { STANZA_MESSAGE, "groupchat" },
        [MESSAGE_ERROR] = { STANZA_MESSAGE, "error" },
        [PRESENCE_AVAILABLE] = { STANZA_PRESENCE, NULL },
        [PRESENCE_UNAVAILABLE] = { STANZA_PRESENCE, "unavailable" },
        [PRESENCE_SUBSCRIBE] = { STANZA_PRESENCE, "subscribe" },
        [PRESENCE_SUBSCRIBED] = { STANZA_PRESENCE, "subscribed" },
        [PRESENCE_UNSUBSCRIBE] = { STANZA_PRESENCE, "unsubscribe" },
        [PRESENCE_UNSUBSCRIBED] = { STANZA_PRESENCE, "unsubscribed" },
        [PRESENCE_PROBE] = { STANZA_PRESENCE, "probe" },
        [PRESENCE_ERROR] = { STANZA_PRESENCE, "error" },
        [IQ_GET] = { STANZA_IQ, "get" },
        [IQ_SET] = { STANZA_IQ, "set" },
        [IQ_RESULT] = { STANZA_IQ, "result" },
        [IQ_ERROR] = { STANZA_IQ, "error" },
};

static bool
find_kind(const struct element *element, enum stanza_kind *kind)
{
        for (int i = STANZA_MESSAGE; i <= STANZA_IQ; i++)
                if (element_is(element, kind_names[i], XML_CONTENT_NS)) {
                        *kind = (enum stanza_kind)i;
                        return true;
                }
        return false;
}

/* False for a type that this kind does not have. */
static bool
find_type(enum stanza_kind kind, const char *name, enum stanza_type *type)
{
        if (name == NULL || kind == STANZA_MESSAGE)
                *type = kind == STANZA_MESSAGE ? MESSAGE_NORMAL : PRESENCE_AVAILABLE;
        if (name == NULL)
                return kind != STANZA_IQ;
        for (size_t i = 0; i < array_len(types); i++)
                if (types[i].kind == kind && types[i].name != NULL && strcmp(types[i].name, name) == 0) {
                        *type = (enum stanza_type)i;
                        return true;
                }
        return kind == STANZA_MESSAGE;
}

static bool
is_head_attribute(const struct attribute *a)
{
        static const char *const names[] = { "type", "id", "from", "to" };
        if (a->ns != NULL)
                return strcmp(a->ns, XML_NS_XML) == 0 && strcmp(a->name, "lang") == 0;
        for (size_t i = 0; i < array_len(names); i++)
                if (strcmp(a->name, names[i]) == 0)
                        return true;
        return false;
}

static void
drop_head_attributes(struct element *element)
{
        struct attribute **at = &element->attributes;
        while (*at != NULL)
                if (is_head_attribute(*at))
                        *at = (*at)->next;
                else
                        at = &(*at)->next;
}

static struct stanza *
put_stanza(struct arena *arena, enum stanza_kind kind, enum stanza_type type)
{
        struct stanza *stanza = ARENA_NEW(arena, stanza);
        stanza->arena = arena;
        stanza->kind = kind;
        stanza->type = type;
        atomic_init(&stanza->refs, 1);
        return stanza;
}

struct stanza *
stanza_new_parsed(struct arena *arena, struct element *element, const struct xml_source *source, enum stanza_problem *problem)
{
        enum stanza_kind kind;
        enum stanza_type type;
        struct jid from = { 0 }, to = { 0 };

        *problem = STANZA_NOT_A_STANZA;
        if (!find_kind(element, &kind))
                return NULL;
        const char *id = element_attribute(element, "id");
        *problem = STANZA_BAD_TYPE;
        if (!find_type(kind, element_attribute(element, "type"), &type) || (kind == STANZA_IQ && id == NULL))
                return NULL;
        const char *from_text = element_attribute(element, "from"), *to_text = element_attribute(element, "to");
        *problem = STANZA_BAD_ADDRESS;
        if ((from_text != NULL && !jid_parse(&from, arena, from_text)) || (to_text != NULL && !jid_parse(&to, arena, to_text)))
                return NULL;

        *problem = STANZA_FINE;
        struct stanza *stanza = put_stanza(arena, kind, type);
        stanza->element = element;
        stanza->from = from;
        stanza->to = to;
        stanza->id = id;
        if (type == MESSAGE_NORMAL)
                stanza->type_text = element_attribute(element, "type");
        stanza->lang = element_attribute_ns(element, "lang", XML_NS_XML);
        drop_head_attributes(element);
        if (source != NULL && source->plain) {
                stanza->inside = arena_strndup(arena, source->inside, source->inside_len);
                stanza->inside_len = source->inside_len;
        }
        return stanza;
}

struct stanza *
stanza_refusal(const struct element *element, enum stanza_problem problem, const struct jid *to)
{
        enum stanza_kind kind;
        const char *type = element_attribute(element, "type");

        if (problem == STANZA_NOT_A_STANZA || !find_kind(element, &kind))
                return NULL;
        if (type != NULL && (strcmp(type, "error") == 0 || strcmp(type, "result") == 0))
                return NULL;
        enum stanza_condition condition = problem == STANZA_BAD_ADDRESS ? JID_MALFORMED : BAD_REQUEST;
        static const enum stanza_type errors[] = { MESSAGE_ERROR, PRESENCE_ERROR, IQ_ERROR };
        struct stanza *answer = stanza_new(kind, errors[kind], NULL, to);
        stanza_set_id(answer, element_attribute(element, "id"));
        struct element *error = element_add(answer->arena, answer->element, "error", NULL);
        element_set(answer->arena, error, "type", stanza_condition_type(condition));
        element_add(answer->arena, error, stanza_condition_name(condition), NS_STANZA_ERRORS);
        return answer;
}

struct stanza *
stanza_new(enum stanza_kind kind, enum stanza_type type, const struct jid *from, const struct jid *to)
{
        struct arena *arena = arena_new(FIRST_BLOCK);
        struct stanza *stanza = put_stanza(arena, kind, type);

        must(types[type].kind == kind);
        stanza->element = ARENA_NEW(arena, stanza->element);
        stanza->element->name = kind_names[kind];
        stanza->element->ns = XML_CONTENT_NS;
        stanza_set_from(stanza, from);
        stanza_set_to(stanza, to);
        return stanza;
}

struct stanza *
stanza_derive(struct stanza *of, const struct jid *from, const struct jid *to)
{
        struct stanza *root = of->payload != NULL ? of->payload : of;
        stanza_seal(root);

        struct stanza *stanza = put_stanza(arena_new(DERIVED_BLOCK), of->kind, of->type);
        stanza->element = root->element;
        stanza->inside = root->inside;
        stanza->inside_len = root->inside_len;
        stanza->payload = stanza_ref(root);
        stanza->lang = root->lang;
        stanza->type_text = root->type_text;
        stanza->id = arena_strdup(stanza->arena, of->id);
        stanza_set_from(stanza, from);
        stanza_set_to(stanza, to);
        stanza->origin = of->origin;
        stanza->origin_count = of->origin_count;
        if (of->pledge != NULL)
                pledge_take(of->pledge, stanza);
        return stanza;
}

struct stanza *
stanza_head(struct stanza *model, const struct jid *to)
{
        must(model->sealed && model->form != NULL && model->to.full == NULL);
        struct stanza *head = put_stanza(arena_new(HEAD_BLOCK), model->kind, model->type);

        head->element = model->element;
        head->inside = model->inside;
        head->inside_len = model->inside_len;
        head->payload = stanza_ref(model);
        head->form = model->form;
        head->from = model->from;
        head->to = to != NULL ? *to : (struct jid){ 0 };
        head->id = model->id;
        head->lang = model->lang;
        head->type_text = model->type_text;
        head->origin = model->origin;
        head->origin_count = model->origin_count;
        head->sealed = true;
        if (model->pledge != NULL)
                pledge_take(model->pledge, head);
        return head;
}

bool
stanza_readdress(struct stanza *head, const struct jid *to)
{
        must(head->form != NULL);
        if (atomic_load_explicit(&head->refs, memory_order_acquire) > 1)
                return false;
        head->to = *to;
        return true;
}

/* One block that just fits: sessions keep their presence for hours. */
static size_t
measure_kept(const struct stanza *of)
{
        const size_t each = 32; /* alignment and terminators of one piece */
        size_t size = 64 + sizeof(struct stanza) + sizeof(struct element) + of->inside_len + 8 * each;

        size += 2 * (of->from.full_len + of->to.full_len);
        size += of->id != NULL ? strlen(of->id) + each : 0;
        size += of->lang != NULL ? strlen(of->lang) + each : 0;
        for (const struct attribute *a = of->element->attributes; a != NULL; a = a->next)
                size += sizeof(*a) + strlen(a->name) + strlen(a->value) + (a->ns != NULL ? strlen(a->ns) : 0) + 4 * each;
        return size;
}

struct stanza *
stanza_keep(struct stanza *of)
{
        stanza_seal(of);
        struct stanza *stanza = put_stanza(arena_new(measure_kept(of)), of->kind, of->type);
        struct arena *arena = stanza->arena;

        stanza->element = ARENA_NEW(arena, stanza->element);
        stanza->element->name = kind_names[of->kind];
        stanza->element->ns = XML_CONTENT_NS;
        for (const struct attribute *a = of->element->attributes; a != NULL; a = a->next)
                element_set_ns(arena, stanza->element, a->name, a->ns, a->value);
        stanza->id = arena_strdup(arena, of->id);
        stanza->lang = arena_strdup(arena, of->lang);
        stanza->type_text = arena_strdup(arena, of->type_text);
        stanza->from = jid_copy(&of->from, arena);
        stanza->to = jid_copy(&of->to, arena);
        stanza->inside = arena_strndup(arena, of->inside, of->inside_len);
        stanza->inside_len = of->inside_len;
        stanza->sealed = true;
        return stanza;
}

struct stanza *
stanza_ref(struct stanza *stanza)
{
        atomic_fetch_add_explicit(&stanza->refs, 1, memory_order_relaxed);
        return stanza;
}

void
stanza_unref(struct stanza **stanza)
{
        struct stanza *s = *stanza;
        *stanza = NULL;
        if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
                return;
        struct pledge *pledge = s->pledge;
        struct arena *arena = s->arena;
        stanza_unref(&s->payload);
        arena_free(&arena);
        if (pledge != NULL)
                pledge_release(pledge);
}

void
stanza_set_from(struct stanza *stanza, const struct jid *from)
{
        must(!stanza->sealed);
        stanza->from = from != NULL ? jid_copy(from, stanza->arena) : (struct jid){ 0 };
}

void
stanza_set_to(struct stanza *stanza, const struct jid *to)
{
        must(!stanza->sealed);
        stanza->to = to != NULL ? jid_copy(to, stanza->arena) : (struct jid){ 0 };
}

void
stanza_set_id(struct stanza *stanza, const char *id)
{
        must(!stanza->sealed);
        stanza->id = arena_strdup(stanza->arena, id);
}

void
stanza_strip(struct stanza *stanza, struct element *child)
{
        element_remove(stanza->element, child);
        stanza_changed(stanza);
}

void
stanza_changed(struct stanza *stanza)
{
        must(!stanza->sealed && stanza->payload == NULL);
        stanza->inside = NULL;
        stanza->inside_len = 0;
}

void
stanza_seal(struct stanza *stanza)
{
        if (stanza->sealed)
                return;
        if (stanza->inside == NULL) {
                struct buf out = { 0 };
                xml_write_inside(&out, stanza->element);
                stanza->inside = out.len > 0 ? arena_strndup(stanza->arena, buf_data(&out), out.len) : "";
                stanza->inside_len = out.len;
                buf_free(&out);
        }
        stanza->sealed = true;
}

void
stanza_seal_as(struct stanza *stanza, const char *inside, size_t len)
{
        must(!stanza->sealed);
        stanza->inside = arena_strndup(stanza->arena, inside, len);
        stanza->inside_len = len;
        stanza->sealed = true;
}

struct element *
stanza_payload(const struct stanza *stanza)
{
        return element_first(stanza->element);
}

bool
stanza_is_request(const struct stanza *stanza)
{
        return stanza->type == IQ_GET || stanza->type == IQ_SET;
}

bool
stanza_has_one_payload(const struct stanza *stanza)
{
        const struct element *payload = stanza_payload(stanza);

        return payload != NULL && element_next(payload) == NULL;
}

const char *
stanza_type_name(const struct stanza *stanza)
{
        return types[stanza->type].name;
}

const char *
stanza_kind_name(const struct stanza *stanza)
{
        return kind_names[stanza->kind];
}

int
stanza_priority(const struct stanza *stanza)
{
        const struct element *child = element_child(stanza->element, "priority", XML_CONTENT_NS);
        if (child == NULL || child->first == NULL || child->first->name != NULL)
                return 0;
        const char *text = child->first->text;
        while (*text != '\0' && strchr(" \t\r\n", *text) != NULL)
                text++;
        char *end;
        long number = strtol(text, &end, 10);
        if (end == text || end[strspn(end, " \t\r\n")] != '\0' || number < -128 || number > 127)
                return 0;
        return (int)number;
}

static const struct jid *
if_present(const struct jid *jid)
{
        return jid->full != NULL ? jid : NULL;
}

static struct stanza *
answer(const struct stanza *of, enum stanza_type type)
{
        struct stanza *stanza = stanza_new(of->kind, type, if_present(&of->to), if_present(&of->from));
        stanza_set_id(stanza, of->id);
        if (of->pledge != NULL)
                pledge_take(of->pledge, stanza);
        return stanza;
}

struct stanza *
stanza_result(const struct stanza *iq)
{
        must(stanza_is_request(iq));
        return answer(iq, IQ_RESULT);
}

struct stanza *
stanza_error(const struct stanza *of, enum stanza_condition condition, const char *text)
{
        enum stanza_type type;
        switch (of->type) {
        case MESSAGE_NORMAL:
        case MESSAGE_CHAT:
        case MESSAGE_HEADLINE:
        case MESSAGE_GROUPCHAT:
                type = MESSAGE_ERROR;
                break;
        case PRESENCE_SUBSCRIBE:
        case PRESENCE_PROBE:
                type = PRESENCE_ERROR;
                break;
        case IQ_GET:
        case IQ_SET:
                type = IQ_ERROR;
                break;
        default:
                return NULL;
        }

        struct stanza *error = answer(of, type);
        size_t size = of->inside_len > 0 ? of->inside_len : arena_size(of->arena);
        if (of->kind != STANZA_PRESENCE && size <= RETURNED_MAX)
                for (const struct element *child = element_first(of->element); child != NULL; child = element_next(child))
                        element_append(error->element, element_copy(error->arena, child));

        struct element *element = element_add(error->arena, error->element, "error", NULL);
        element_set(error->arena, element, "type", stanza_condition_type(condition));
        element_add(error->arena, element, stanza_condition_name(condition), NS_STANZA_ERRORS);
        if (text != NULL) {
                struct element *why = element_add_text(error->arena, element, "text", NS_STANZA_ERRORS, text);
                element_set_ns(error->arena, why, "lang", XML_NS_XML, "en");
        }
        return error;
}

static void
write_attribute(struct buf *out, const char *name, size_t len, const char *value)
{
        if (value == NULL)
                return;
        buf_put(out, name, len);
        xml_write_attribute_value(out, value);
        buf_putc(out, '"');
}

#define WRITE_ATTRIBUTE(out, start, value) write_attribute((out), (start), sizeof(start) - 1, (value))

static void
write_before_to(struct buf *out, const struct stanza *stanza)
{
        buf_putc(out, '<');
        buf_puts(out, kind_names[stanza->kind]);
        WRITE_ATTRIBUTE(out, " type=\"", stanza->type == MESSAGE_NORMAL ? stanza->type_text : types[stanza->type].name);
        WRITE_ATTRIBUTE(out, " id=\"", stanza->id);
        WRITE_ATTRIBUTE(out, " from=\"", stanza->from.full);
}

static void
write_behind_to(struct buf *out, const struct stanza *stanza)
{
        WRITE_ATTRIBUTE(out, " xml:lang=\"", stanza->lang);
        if (stanza->element->attributes != NULL)
                xml_write_attributes(out, stanza->element);
        if (stanza->inside_len == 0) {
                buf_put(out, "/>", 2);
                return;
        }
        buf_putc(out, '>');
        buf_put(out, stanza->inside, stanza->inside_len);
        buf_put(out, "</", 2);
        buf_puts(out, kind_names[stanza->kind]);
        buf_putc(out, '>');
}

static const struct stanza_form *
make_form(struct stanza *model)
{
        struct stanza_form *form = ARENA_NEW(model->arena, form);
        struct buf out = { 0 };

        write_before_to(&out, model);
        form->before_len = out.len;
        form->before = arena_strndup(model->arena, buf_data(&out), out.len);
        buf_clear(&out);
        write_behind_to(&out, model);
        form->after_len = out.len;
        form->after = arena_strndup(model->arena, buf_data(&out), out.len);
        buf_free(&out);
        return form;
}

struct stanza *
stanza_model(struct stanza *of, const struct jid *from)
{
        struct stanza *model = stanza_derive(of, from, NULL);

        stanza_seal(model);
        model->form = make_form(model);
        return model;
}

void
stanza_write(struct buf *out, struct stanza *stanza)
{
        const struct stanza_form *form = stanza->form;

        stanza_seal(stanza);
        /* About what it takes, so that the buffer grows once. */
        buf_reserve(out,
                (form != NULL ? form->before_len + form->after_len : stanza->from.full_len + stanza->inside_len) +
                        stanza->to.full_len + AROUND);
        if (form != NULL)
                buf_put(out, form->before, form->before_len);
        else
                write_before_to(out, stanza);
        WRITE_ATTRIBUTE(out, " to=\"", stanza->to.full);
        if (form != NULL)
                buf_put(out, form->after, form->after_len);
        else
                write_behind_to(out, stanza);
}

void
stanza_wire_to_document(struct buf *out, const char *wire, size_t len)
{
        size_t name = 1;

        while (name < len && strchr(" />", wire[name]) == NULL)
                name++;
        buf_put(out, wire, name);
        buf_puts(out, " xmlns=\"" XML_CONTENT_NS "\"");
        buf_put(out, wire + name, len - name);
}

void
stanza_write_document(struct buf *out, struct stanza *stanza)
{
        struct buf wire = { 0 };

        stanza_write(&wire, stanza);
        stanza_wire_to_document(out, buf_data(&wire), wire.len);
        buf_free(&wire);
}

struct stanza *
stanza_read_document(const char *xml, size_t len)
{
        static const struct xml_limits limits = { .stanza_bytes = KEPT_MAX, .depth = 1000, .attributes = 1000 };
        struct arena *arena;
        enum xml_problem problem;
        enum stanza_problem refusal;
        struct element *element = xml_parse_document(xml, len, &limits, &arena, &problem);
        if (element == NULL)
                return NULL;
        struct stanza *stanza = stanza_new_parsed(arena, element, NULL, &refusal);
        if (stanza == NULL)
                arena_free(&arena);
        return stanza;
}
