"""How a model writes a document: with words and fences around it, in another language's notation, with remarks."""

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
Writer: TypeAlias = Callable[[random.Random, Json], str | None]

_BEFORE: Final = (
    "Sure! Here is the JSON you asked for:\n\n",
    "Based on the information above, I have filled in the fields.\n",
    "**Result** (as requested):\n\n",
    "Voilà le résultat :\n",
)
_AFTER: Final = (
    "\n\nLet me know if you need anything else!",
    "\n\nNote: I left out nothing. The dates are in UTC.",
    "\nI hope this helps.",
)


def _pretty(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _fenced(rng: random.Random, document: Json) -> str:
    mark = rng.choice(["json", "", "JSON", "json5", "jsonc"])
    return f"```{mark}\n{_pretty(document)}\n```"


def _tildes(_: random.Random, document: Json) -> str:
    return f"~~~json\n{_pretty(document)}\n~~~\n"


def _introduced(rng: random.Random, document: Json) -> str:
    return rng.choice(_BEFORE) + _pretty(document)


def _followed(rng: random.Random, document: Json) -> str:
    return json.dumps(document) + rng.choice(_AFTER)


def _fenced_in_words(rng: random.Random, document: Json) -> str:
    return rng.choice(_BEFORE) + _fenced(rng, document) + rng.choice(_AFTER)


def _half_fenced(_: random.Random, document: Json) -> str:
    return f"```json\n{_pretty(document)}"


def _fence_at_the_end(_: random.Random, document: Json) -> str:
    return f"{_pretty(document)}\n```"


def _in_tags(rng: random.Random, document: Json) -> str:
    tag = rng.choice(["json", "answer", "output", "result", "final_answer"])
    return f"<{tag}>\n{_pretty(document)}\n</{tag}>"


def _after_thoughts(rng: random.Random, document: Json) -> str:
    tag = rng.choice(["think", "thinking", "reasoning"])
    return f"<{tag}>The user wants {{}} filled. Check the limits.</{tag}>\n{_pretty(document)}"


def _labelled(rng: random.Random, document: Json) -> str:
    return rng.choice(["JSON: ", "Output:\n", "Answer = ", "json\n"]) + json.dumps(document)


def _trailing_commas(_: random.Random, document: Json) -> str:
    return re.sub(r"(?<=[\w\"}\]])\n(?=\s*[}\]])", ",\n", _pretty(document))


def _one_comma_too_few(rng: random.Random, document: Json) -> str | None:
    lines = _pretty(document).split("\n")
    ends = [at for at, line in enumerate(lines) if line.endswith(",")]
    if not ends:
        return None
    at = rng.choice(ends)
    lines[at] = lines[at][:-1]
    return "\n".join(lines)


def _remarks_at_lines(rng: random.Random, document: Json) -> str:
    mark = rng.choice(["// ", "# "])
    lines = _pretty(document).split("\n")
    return "\n".join(f"{line}  {mark}{rng.choice(['as given', 'see the mail', 'required'])}" for line in lines)


def _remark_above(_: random.Random, document: Json) -> str:
    return f"/* generated, do not edit */\n// v2\n{_pretty(document)}\n"


def _python(_: random.Random, document: Json) -> str:
    return repr(document)


def _python_name(_: random.Random, document: Json) -> str:
    return f"payload = {document!r}"


def _script(rng: random.Random, document: Json) -> str:
    before = rng.choice(["const payload = ", "export default ", "module.exports = ", "let body = "])
    return f"{before}{_bare_keys(rng, document)};"


def _bare_keys(_: random.Random, document: Json) -> str:
    return re.sub(r"^(\s*)\"([A-Za-z_]\w*)\":", r"\1\2:", _pretty(document), flags=re.MULTILINE)


def _curly_quotes(_: random.Random, document: Json) -> str | None:
    text = _pretty(document)
    if re.search(r"\\\"|[“”]", text):
        return None
    return re.sub(r"\"([^\"]*)\"", "\u201c\\1\u201d", text)


def _single_quotes(_: random.Random, document: Json) -> str | None:
    text = _pretty(document)
    return None if "'" in text or '\\"' in text else text.replace('"', "'")


def _semicolons(_: random.Random, document: Json) -> str:
    return json.dumps(document) + ";"


def _equals_signs(_: random.Random, document: Json) -> str:
    return re.sub(r"^(\s*)\"(\w+)\": ", r'\1"\2" => ', _pretty(document), flags=re.MULTILINE)


def _raw_line_breaks(_: random.Random, document: Json) -> str | None:
    text = json.dumps(document)
    return text.replace("\\n", "\n") if "\\n" in text and "\\\\n" not in text else None


def _colon_lost(rng: random.Random, document: Json) -> str | None:
    text = _pretty(document)
    found = [one.start() for one in re.finditer(r"(?<=\"): (?=[\"\d\-tfn])", text)]
    if not found:
        return None
    at = rng.choice(found)
    return text[:at] + text[at + 1 :]


def _quote_lost_before_key(rng: random.Random, document: Json) -> str | None:
    text = _pretty(document)
    found = [one.end() for one in re.finditer(r"^\s*(?=\"[A-Za-z_]\w*\":)", text, re.MULTILINE)]
    if not found:
        return None
    at = rng.choice(found)
    return text[:at] + text[at + 1 :]


def _marks_escaped(_: random.Random, document: Json) -> str | None:
    """A model that writes Markdown puts a backslash before each underscore."""
    text = _pretty(document)
    return text.replace("_", "\\_") if "_" in text and "\\" not in text else None


def _numbered(_: random.Random, document: Json) -> str:
    return f"1. {json.dumps(document)}"


def _twice_the_same(_: random.Random, document: Json) -> str | None:
    if not isinstance(document, dict):
        return None
    key = next(iter(document))
    pair = f"{json.dumps(key)}: {json.dumps(document[key])}"
    return f"{{{pair}, {json.dumps(document)[1:]}"


def _bracket_too_many(_: random.Random, document: Json) -> str:
    text = json.dumps(document)
    return text + text[-1]


def _leading_comma(_: random.Random, document: Json) -> str:
    text = json.dumps(document)
    return f"{text[0]}, {text[1:]}"


WRITERS: Final[Mapping[str, Writer]] = {
    "fenced": _fenced,
    "fenced by tildes": _tildes,
    "words before": _introduced,
    "words after": _followed,
    "fenced within words": _fenced_in_words,
    "a fence that does not end": _half_fenced,
    "a fence that does not begin": _fence_at_the_end,
    "in tags": _in_tags,
    "after thoughts": _after_thoughts,
    "a label before": _labelled,
    "trailing commas": _trailing_commas,
    "a comma lost": _one_comma_too_few,
    "a remark at each line": _remarks_at_lines,
    "a remark above": _remark_above,
    "as Python": _python,
    "as Python with a name": _python_name,
    "as a script": _script,
    "bare keys": _bare_keys,
    "curly quotes": _curly_quotes,
    "single quotes": _single_quotes,
    "a semicolon after": _semicolons,
    "arrows for colons": _equals_signs,
    "raw line breaks": _raw_line_breaks,
    "a colon lost": _colon_lost,
    "a quote lost before a key": _quote_lost_before_key,
    "marks escaped": _marks_escaped,
    "as item 1": _numbered,
    "a member twice": _twice_the_same,
    "a bracket too many": _bracket_too_many,
    "a comma first": _leading_comma,
}
"""Each gives a text that has the document as its one meaning; None where it does not apply."""
