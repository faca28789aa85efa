"""Configuration files from dictionaries.

    {"state-dir": "/x", "c2s": {"listen": ["127.0.0.1:1"]}, ("domain", "a.example"): {"certificate": "c.pem"}}

A tuple key is a titled section; None leaves a key out.
"""
import re


def quote(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def value(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, (list, tuple)):
        return "{ " + ", ".join(quote(i) for i in item) + " }" if item else "{ }"
    return str(item) if re.fullmatch(r"[a-z]+", str(item)) else quote(item)


def render(settings, depth=0):
    pad, out = "    " * depth, []
    for key, item in settings.items():
        if item is None:
            continue
        name = f"{key[0]} {quote(key[1])}" if isinstance(key, tuple) else key
        if isinstance(item, dict):
            out.append(f"{pad}{name} {{\n{render(item, depth + 1)}{pad}}}\n")
        else:
            out.append(f"{pad}{name} = {value(item)}\n")
    return "".join(out)


def merge(base, extra):
    """A copy of base with extra laid over it, section by section."""
    result = dict(base)
    for key, item in extra.items():
        if isinstance(item, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], item)
        else:
            result[key] = item
    return result


def from_path(path, text):
    """`c2s.max-stanza`, `1000` as the nested dictionary; numbers and booleans are recognised, `a,b` in braces is a list."""
    if re.fullmatch(r"-?\d+", text):
        item = int(text)
    elif text in ("true", "false"):
        item = text == "true"
    elif text.startswith("{") and text.endswith("}"):
        item = [part.strip() for part in text[1:-1].split(",") if part.strip()]
    else:
        item = text
    for key in reversed(path.split(".")):
        item = {key: item}
    return item
