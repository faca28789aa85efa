"""A small XML tree, a stream parser for it, and the comparison of what was awaited with what came."""
import base64
import re
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

STREAM = "http://etherx.jabber.org/streams"
XML = "http://www.w3.org/XML/1998/namespace"
DIALBACK = "jabber:server:dialback"
_PREFIX = {STREAM: "stream", XML: "xml", DIALBACK: "db"}


class Node:
    __slots__ = ("name", "attributes", "children")

    def __init__(self, name, attributes=None):
        self.name, self.attributes, self.children = name, attributes or {}, []

    @property
    def namespace(self):
        return self.name[1:].partition("}")[0] if self.name.startswith("{") else ""

    @property
    def local(self):
        return self.name.rpartition("}")[2]

    def text(self):
        return "".join(c for c in self.children if isinstance(c, str))

    def elements(self):
        return [c for c in self.children if isinstance(c, Node)]

    def find(self, local, namespace=None):
        """The first child element of that name."""
        for child in self.elements():
            if child.local == local and (namespace is None or child.namespace == namespace):
                return child
        return None

    def get(self, name, default=None):
        return self.attributes.get(name, default)

    def __str__(self):
        return self.show("jabber:client")

    def show(self, outer="", open_only=False):
        """As XML, with namespaces written where they change."""
        prefix = _PREFIX.get(self.namespace)
        name = f"{prefix}:{self.local}" if prefix else self.local
        parts = [name]
        inner = outer
        if not prefix and self.namespace != outer:
            parts.append(f'xmlns="{self.namespace}"')
            inner = self.namespace
        for key, value in self.attributes.items():
            if key.startswith("{"):
                uri, _, local = key[1:].partition("}")
                key = f"{_PREFIX.get(uri, 'ns')}:{local}"
            parts.append(f"{key}={quoteattr(value)}")
        head = " ".join(parts)
        if open_only:
            return f"<{head}>"
        if not self.children:
            return f"<{head}/>"
        body = "".join(escape(c) if isinstance(c, str) else c.show(inner) for c in self.children)
        return f"<{head}>{body}</{name}>"


def _bare(name):
    """expat's `uri}local` as `{uri}local`."""
    return "{" + name if "}" in name else name


class StreamParser:
    """Bytes in, events out: ("open", node), ("stanza", node), ("close", None)."""

    def __init__(self):
        self.restart()

    def restart(self):
        self.events, self.stack = [], []
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def feed(self, data):
        self.parser.Parse(data, False)
        events, self.events = self.events, []
        return events

    def _start(self, name, attributes):
        node = Node(_bare(name), {_bare(k): v for k, v in attributes.items()})
        if not self.stack:
            self.events.append(("open", node))
        self.stack.append(node)

    def _end(self, _name):
        node = self.stack.pop()
        if not self.stack:
            self.events.append(("close", None))
        elif len(self.stack) == 1:
            self.events.append(("stanza", node))
        else:
            self.stack[-1].children.append(node)

    def _text(self, text):
        if len(self.stack) > 1:
            self.stack[-1].children.append(text)


def parse(text, namespace="jabber:client"):
    """The one element in text, which may use the prefixes stream and db."""
    parser = StreamParser()
    events = parser.feed(f"<w xmlns='{namespace}' xmlns:stream='{STREAM}' xmlns:db='{DIALBACK}'>".encode())
    events = parser.feed(text.encode())
    events += parser.feed(b"</w>")
    stanzas = [node for kind, node in events if kind == "stanza"]
    if len(stanzas) != 1:
        raise ValueError(f"one element expected, not {len(stanzas)}: {text}")
    return stanzas[0]


# ---------------------------------------------------------------- comparison

_NAME = r"\{([A-Za-z_][\w.-]*)\}"


def repeat(text):
    """{text*N} is that text N times."""
    return re.sub(r"\{([^{}]+)\*(\d+)\}", lambda m: m.group(1) * int(m.group(2)), text)


def substitute(text, values):
    """{name} replaced by its value; {text*N} is that text N times; {base64:text} its encoding."""
    text = repeat(text)

    def put(m):
        if m.group(1) not in values:
            raise KeyError(f"{{{m.group(1)}}} has no value yet")
        return values[m.group(1)]
    text = re.sub(_NAME, put, text)
    return re.sub(r"\{base64:([^{}]*)\}", lambda m: base64.b64encode(m.group(1).encode()).decode(), text)


def substitute_bytes(text, values):
    """The same as bytes; {raw:text:charset} is the text in that charset, with \\xNN and \\uNNNN in it."""
    out, at = b"", 0
    for m in re.finditer(r"\{raw:(.*?):([\w-]+)\}", text):
        raw = re.sub(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})", lambda e: chr(int(e.group(1) or e.group(2), 16)), m.group(1))
        out += substitute(text[at:m.start()], values).encode() + raw.encode(m.group(2))
        at = m.end()
    return out + substitute(text[at:], values).encode()


def fits(pattern, text, values):
    """Whether text is what pattern says; new names are bound in values. {_} fits anything, any number of times."""
    new, out, at = [], [], 0
    for m in re.finditer(_NAME, pattern):
        out.append(re.escape(pattern[at:m.start()]))
        name = m.group(1)
        if name == "_":
            out.append("(?:.*?)")
        elif name in values:
            out.append(re.escape(values[name]))
        elif name in new:
            out.append(f"(?P=v{new.index(name)})")
        else:
            out.append(f"(?P<v{len(new)}>.+?)")
            new.append(name)
        at = m.end()
    out.append(re.escape(pattern[at:]))
    found = re.fullmatch("".join(out), text, re.S)
    if found:
        values.update({name: found.group(f"v{i}") for i, name in enumerate(new)})
    return bool(found)


MORE = "talk-more"


def awaited(text, namespace="jabber:client"):
    """An awaited element: `...` among the attributes or children allows more of them."""
    if re.match(r"<stream:stream\b", text) and not text.rstrip().endswith("/>"):
        text += "</stream:stream>"
    return parse(re.sub(r"\s\.\.\.(?=[\s/>])", f' {MORE}="1"', text), namespace)


def difference(want, got, values, open_only=False):
    """None when got is what want says, else a sentence. Names are bound in values only when all of it fits."""
    trial = dict(values)
    why = _differ(want, got, trial, open_only)
    if why is None:
        values.update(trial)
    return why


def _differ(want, got, values, open_only=False):
    if want.name != got.name:
        return f"<{got.local} xmlns={got.namespace}> is not <{want.local} xmlns={want.namespace}>"
    more = MORE in want.attributes
    for key, pattern in want.attributes.items():
        if key == MORE:
            continue
        if key not in got.attributes:
            return f"<{got.local}> lacks {key}={pattern!r}"
        if not fits(pattern, got.attributes[key], values):
            return f"<{got.local}> {key} is {got.attributes[key]!r}, not {pattern!r}"
    for key in got.attributes:
        if key not in want.attributes and not more and key != f"{{{XML}}}lang":
            return f"<{got.local}> has {key}={got.attributes[key]!r} too many"
    if open_only:
        return None
    wanted = want.elements()
    any_children = want.text().strip() == "..."
    if any_children or wanted:
        left = got.elements()
        for child in wanted:
            reasons = []
            for candidate in left:
                trial = dict(values)
                why = _differ(child, candidate, trial)
                if why is None:
                    values.update(trial)
                    left.remove(candidate)
                    break
                reasons.append(why)
            else:
                return f"in <{got.local}>: no {child} ({'; '.join(reasons) or 'no child is left'})"
        if left and not any_children:
            return f"in <{got.local}>: {left[0]} is too many"
        return None
    if got.elements():
        return f"in <{got.local}>: {got.elements()[0]} is too many"
    if not fits(want.text(), got.text(), values):
        return f"<{got.local}> holds {got.text()!r}, not {want.text()!r}"
    return None
