/* writer.h - from a tree to bytes
 *
 * Elements in XML_CONTENT_NS are written without xmlns when the surrounding default namespace is a content namespace, so the same bytes fit
 * client, server and component streams. Namespaced attributes other than xml: get generated prefixes.
 */
#ifndef SHARED_XML_WRITER_H
#define SHARED_XML_WRITER_H

#include "shared/xml/element.h"

/* Appends the element with everything inside. default_ns is the namespace in force where it will stand. */
void xml_write(struct buf *out, const struct element *element, const char *default_ns);
/* Appends only what is inside the element, with the element's own namespace in force. */
void xml_write_inside(struct buf *out, const struct element *element);
/* Appends ` name="value"` for each attribute. */
void xml_write_attributes(struct buf *out, const struct element *element);
/* Appends text with & < > (and, for attributes, quotes, tab and line ends) escaped. Bytes that XML 1.0 forbids must not come here. */
void xml_write_text(struct buf *out, const char *text, size_t len);
void xml_write_attribute_value(struct buf *out, const char *text);

#endif
