"""Parser of the catalog's call templates (text with placeholders), which are validated when the catalog is loaded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+(?:\.[a-z_]+)?)(\?)?\}|[{}]")
_ESCAPED_BRACES: Final = {"{{": "{", "}}": "}"}
_URL: Final = re.compile(r"(https?://)([^/?#\s\\@]+)((?:/[^?#]*)?)(?:\?(.*))?", re.DOTALL)
_LITERAL: Final = re.compile(r"(?:[A-Za-z0-9._~!$'()*+,;:@-]|%[0-9A-Fa-f]{2})*")
"""Characters of a URL's part that need no encoding; `&`, `=`, `/` and `?` are delimiters and excluded."""
_SECRET: Final = re.compile(r"secret://([A-Za-z0-9_.-]{0,128})")
_OPEN_SECRET: Final = re.compile(r"secret://[A-Za-z0-9_.-]*\Z")
_CACHE_SIZE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """A placeholder for a value."""

    name: str
    optional: bool
    """Written `{name?}`: without a value, the body member that consists of it alone is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Literal text and placeholders, in order."""

    parts: tuple[str | Placeholder, ...]

    @property
    def alone(self) -> Placeholder | None:
        """The placeholder where it is the whole template, else None; it takes the JSON value itself."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], Placeholder) else None

    @property
    def places(self) -> tuple[Placeholder, ...]:
        """The placeholders, in order."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    @property
    def text(self) -> str:
        """The literal text without its placeholders."""
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTemplate:
    """A URL whose structure is fixed: values stand within the segments of its path and the values of its query only."""

    origin: str
    """Scheme, host and port, as written."""
    segments: tuple[Template, ...]
    query: tuple[tuple[str, Template | None], ...]
    """Parameter names with their values; None for a name without `=`."""

    @property
    def templates(self) -> Iterator[Template]:
        """All parts that may hold placeholders."""
        yield from self.segments
        yield from (template for _, template in self.query if template is not None)


@lru_cache(maxsize=_CACHE_SIZE)
def read_template(text: str) -> Template:
    """Parse `text {name} text`; a literal brace is doubled.

    Raises
    ------
    ValueError
        With what is wrong, and what to write instead.

    """
    parts: list[str | Placeholder] = []
    literal, at = "", 0
    for found in _TOKEN.finditer(text):
        literal += text[at : found.start()]
        at = found.end()
        if found[1] is None:
            if found[0] not in _ESCAPED_BRACES:
                raise ValueError(f"a single `{found[0]}`: write `{{name}}` for a value, and a brace itself doubled")
            literal += _ESCAPED_BRACES[found[0]]
            continue
        parts += [literal] if literal else []
        parts.append(Placeholder(name=found[1], optional=found[2] is not None))
        literal = ""
    literal += text[at:]
    return Template(parts=(*parts, literal) if literal else tuple(parts))


@lru_cache(maxsize=_CACHE_SIZE)
def read_url(text: str) -> UrlTemplate:
    """Parse an absolute http(s) URL in which no value can change host or structure; ValueError as `read_template`."""
    if any(place.optional for place in read_template(text).places):
        raise ValueError("a value in a URL has to be there: leave out its `?`")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not an absolute http(s) URL without user name and fragment")
    scheme, host, path, query = found.groups()
    if "{" in host or "}" in host:
        raise ValueError("the host comes from a value: write it out, a value never chooses where to connect")
    segments = tuple(_url_part(segment) for segment in path.split("/")[1:])
    if any(not segment.parts for segment in segments[:-1]) or any(s.text in (".", "..") for s in segments):
        raise ValueError("the path has an empty segment, `.` or `..`: write it plainly")
    return UrlTemplate(origin=scheme + host, segments=segments, query=tuple(_query_pairs(query)) if query else ())


def _query_pairs(query: str) -> Iterator[tuple[str, Template | None]]:
    for pair in query.split("&"):
        name, is_there, text = pair.partition("=")
        if _url_part(name).places or not name:
            raise ValueError("the query has a name that is empty or comes from a value: write it out")
        yield name, _url_part(text) if is_there else None


def _url_part(text: str) -> Template:
    template = read_template(text)
    if not _LITERAL.fullmatch(template.text):
        raise ValueError(f"`{template.text[:40]}` cannot stand in a URL as it is: percent-encode it")
    return template


def secret_names(text: str) -> tuple[str, ...]:
    """Return the names that follow `secret://` in a text."""
    return tuple(_SECRET.findall(text))


def header_fault(template: Template) -> str | None:
    """Return why a header's template can never be sent, whatever the values, or None."""
    if not template.text.isascii() or not (template.text.isprintable() or not template.text):
        return "a header's value is printable ASCII"
    for part, after in zip(template.parts, template.parts[1:], strict=False):
        if isinstance(part, str) and isinstance(after, Placeholder) and _OPEN_SECRET.search(part):
            return "a value would choose the secret's name: write it out"
    return None
