/*
 * writer.c - trees back to bytes
 *
 * Depth is bounded by the parser's limit for what peers send and by our own hands for what we build, so recursion is fine here.
 */
#include "shared/xml/writer.h"

#include <string.h>

enum {
        PLAIN = 0,
        IN_TEXT = 1,  /* escaped in text */
        IN_VALUE = 2, /* escaped in attribute values */
};

/* Line ends and tabs in values would come back as spaces, a carriage return in text as a line feed (XML 1.0, 2.11 and 3.3.3). */
static const unsigned char special[256] = {
        ['&'] = IN_TEXT | IN_VALUE,
        ['<'] = IN_TEXT | IN_VALUE,
        ['>'] = IN_TEXT | IN_VALUE,
        ['\r'] = IN_TEXT | IN_VALUE,
        ['"'] = IN_VALUE,
        ['\''] = IN_VALUE,
        ['\t'] = IN_VALUE,
        ['\n'] = IN_VALUE,
};

static const char *
find_escape(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&apos;";
        case '\t':
                return "&#9;";
        case '\n':
                return "&#10;";
        default:
                return "&#13;";
        }
}

static void
write_escaped(struct buf *out, const char *text, size_t len, unsigned char where)
{
        size_t done = 0;
        for (size_t i = 0; i < len; i++)
                if (special[(unsigned char)text[i]] & where) {
                        buf_put(out, text + done, i - done);
                        buf_puts(out, find_escape(text[i]));
                        done = i + 1;
                }
        buf_put(out, text + done, len - done);
}

static bool
is_content(const char *ns)
{
        return ns != NULL &&
                (strcmp(ns, XML_CONTENT_NS) == 0 || strcmp(ns, "jabber:server") == 0 || strcmp(ns, "jabber:component:accept") == 0);
}

/* Must an element of this namespace say so where default_ns is in force? */
static bool
needs_declaration(const char *ns, const char *default_ns)
{
        if (ns == default_ns || ns == NULL)
                return false;
        if (default_ns == NULL)
                return ns[0] != '\0';
        return strcmp(ns, default_ns) != 0 && !(is_content(ns) && is_content(default_ns));
}

void
xml_write_attributes(struct buf *out, const struct element *element)
{
        int generated = 0;
        for (const struct attribute *a = element->attributes; a != NULL; a = a->next) {
                if (a->ns == NULL) {
                        buf_putc(out, ' ');
                } else if (strcmp(a->ns, XML_NS_XML) == 0) {
                        buf_put(out, " xml:", 5);
                } else {
                        generated++;
                        buf_printf(out, " xmlns:n%d=\"", generated);
                        xml_write_attribute_value(out, a->ns);
                        buf_printf(out, "\" n%d:", generated);
                }
                buf_puts(out, a->name);
                buf_put(out, "=\"", 2);
                xml_write_attribute_value(out, a->value);
                buf_putc(out, '"');
        }
}

static void
write_children(struct buf *out, const struct element *element, const char *ns)
{
        for (const struct element *child = element->first; child != NULL; child = child->next)
                if (child->name == NULL)
                        xml_write_text(out, child->text, child->text_len);
                else
                        xml_write(out, child, ns);
}

void
xml_write(struct buf *out, const struct element *element, const char *default_ns)
{
        const char *ns = element->ns != NULL ? element->ns : default_ns;

        buf_putc(out, '<');
        buf_puts(out, element->name);
        if (needs_declaration(element->ns, default_ns)) {
                buf_put(out, " xmlns=\"", 8);
                xml_write_attribute_value(out, element->ns);
                buf_putc(out, '"');
        }
        xml_write_attributes(out, element);
        if (element->first == NULL) {
                buf_put(out, "/>", 2);
                return;
        }
        buf_putc(out, '>');
        write_children(out, element, ns);
        buf_put(out, "</", 2);
        buf_puts(out, element->name);
        buf_putc(out, '>');
}

void
xml_write_inside(struct buf *out, const struct element *element)
{
        write_children(out, element, element->ns);
}

void
xml_write_text(struct buf *out, const char *text, size_t len)
{
        write_escaped(out, text, len, IN_TEXT);
}

void
xml_write_attribute_value(struct buf *out, const char *text)
{
        write_escaped(out, text, strlen(text), IN_VALUE);
}
