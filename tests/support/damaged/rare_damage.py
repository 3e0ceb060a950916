"""Damage that is rarer or nastier than the bar asks for, with one sensible answer all the same."""

import json
import random
import re
from typing import Final

from tests.support.damaged.damage import Change, put
from tests.support.damaged.key_damage import only_one_is_meant, renaming
from tests.support.damaged.schema_positions import Json, Place, Schema
from tests.support.damaged.spellings import flat, pascal, screaming, title
from tests.support.damaged.value_damage import as_day, as_time, chosen_word

_GROUPS_FROM: Final = 1000
_CLEAR_FROM: Final = 13


def zero_padded(place: Place, rng: random.Random) -> Change | None:
    """Write an integer with leading zeros."""
    del rng
    whole = isinstance(place.value, int) and not isinstance(place.value, bool) and place.value > 0
    return put(f"{place.value:07}") if whole else None


def otherwise_grouped(place: Place, rng: random.Random) -> Change | None:
    """Group an integer's digits with blanks, underscores or apostrophes."""
    if not isinstance(place.value, int) or abs(place.value) < _GROUPS_FROM or place.schema.get("type") != "integer":
        return None
    return put(f"{place.value:,}".replace(",", rng.choice([" ", "_", "'", "\u00a0", "\u202f", "\u2019"])))


def grouped_number(place: Place, rng: random.Random) -> Change | None:
    """Group a number that has a fraction."""
    del rng
    whole = not isinstance(place.value, float) or abs(place.value) < _GROUPS_FROM
    return None if whole else put(f"{place.value:,}")


def signed(place: Place, rng: random.Random) -> Change | None:
    """Write a number with a plus, or with a typographic minus."""
    del rng
    if not isinstance(place.value, int | float) or isinstance(place.value, bool):
        return None
    return put(f"+{place.value}" if place.value > 0 else str(place.value).replace("-", "\u2212"))


def with_fraction(place: Place, rng: random.Random) -> Change | None:
    """Write an integer with a fraction of nothing."""
    del rng
    whole = isinstance(place.value, int) and not isinstance(place.value, bool)
    return put(f"{place.value}.0") if whole and place.schema.get("type") == "integer" else None


def one_or_nought(place: Place, rng: random.Random) -> Change | None:
    """Write 1 or 0 for a boolean."""
    return put(rng.choice([int(place.value), str(int(place.value))])) if isinstance(place.value, bool) else None


def one_letter(place: Place, rng: random.Random) -> Change | None:
    """Write y, n, t or f for a boolean."""
    letters = ["y", "Y", "t", "T"] if place.value else ["n", "N", "f", "F"]
    return put(rng.choice(letters)) if isinstance(place.value, bool) else None


def padded_boolean(place: Place, rng: random.Random) -> Change | None:
    """Write a boolean's word with white space around it."""
    word = str(place.value).lower() if isinstance(place.value, bool) else None
    return put(rng.choice([f" {word}", f"{word} ", f" {word}\n"])) if word else None


def listed_text(place: Place, rng: random.Random) -> Change | None:
    """Put brackets around a number or boolean that is quoted too."""
    if isinstance(place.value, bool):
        word = rng.choice(["true", "yes"] if place.value else ["false", "no"])
        return put([word])
    return put([json.dumps(place.value)]) if isinstance(place.value, int | float) else None


def respelt_word(place: Place, rng: random.Random) -> Change | None:
    """Write an enum's word with other separators."""
    word = chosen_word(place)
    if word is None or not re.search(r"[_ -]", word):
        return None
    others = [re.sub(r"[_ -]", mark, word) for mark in "_- "]
    return put(rng.choice([other for other in others if other != word] + [pascal(word)]))


def padded_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day with white space around it."""
    day = as_day(place)
    return put(rng.choice([f" {day}", f"{day} ", f"{day}\n"])) if day else None


def loose_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day without leading noughts."""
    day = as_day(place)
    return put(f"{day.year}{(mark := rng.choice('/-.'))}{day.month}{mark}{day.day}") if day else None


def named_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day with its month's name."""
    day = as_day(place)
    forms = ["%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y"]
    return put(day.strftime(rng.choice(forms))) if day else None


def clear_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day last with a month that cannot be one."""
    day = as_day(place)
    if day is None or day.day < _CLEAR_FROM:
        return None
    return put(rng.choice([f"{day:%d/%m/%Y}", f"{day:%d.%m.%Y}", f"{day:%m/%d/%Y}"]))


def number_for_day(place: Place, rng: random.Random) -> Change | None:
    """Write a day as the number of its eight digits."""
    del rng
    day = as_day(place)
    return put(int(f"{day:%Y%m%d}")) if day else None


def loose_zone(place: Place, rng: random.Random) -> Change | None:
    """Write a time with a zone as some print it."""
    at = as_time(place)
    if at is None:
        return None
    text = str(place.value)
    if text.endswith("Z"):
        return put(text[:-1] + rng.choice([" UTC", " Z", " GMT"]))
    return put(text[:-6] + rng.choice([text[-6:].replace(":", ""), f" {text[-6:]}"]))


def null_for_absent(place: Place, rng: random.Random) -> Change | None:
    """Give an optional key that was left out as null."""
    if not isinstance(place.value, dict):
        return None
    gone = [
        key
        for key, schema in place.declared.items()
        if key not in place.value
        and key not in place.required
        and "default" not in schema
        and schema.get("type")
        and "null" not in schema["type"]
    ]
    if not gone:
        return None
    key = rng.choice(gone)
    return Change(become=lambda now: {**now, key: None}, about=key)


def single_member(place: Place, rng: random.Random) -> Change | None:
    """Give one object of a list under its place's number."""
    del rng
    if not isinstance(place.value, list) or not place.value or not all(isinstance(one, dict) for one in place.value):
        return None
    return Change(become=lambda now: {str(at): one for at, one in enumerate(now)})


def twice_encoded(place: Place, rng: random.Random) -> Change | None:
    """Write an object or a list as text of a text."""
    del rng
    if not place.path or not isinstance(place.value, dict | list) or not place.value:
        return None
    return Change(become=lambda now: json.dumps(json.dumps(now)))


def repr_part(place: Place, rng: random.Random) -> Change | None:
    """Write an object or a list as Python prints it, within a text."""
    del rng
    if not place.path or not isinstance(place.value, dict | list) or not place.value:
        return None
    return Change(become=repr)


def padded_key(place: Place, rng: random.Random) -> Change | None:
    """Write a key with white space around it, a colon behind it, or quotes of its own."""
    keys = [key for key in place.value if key in place.declared] if isinstance(place.value, dict) else []
    if not keys:
        return None
    old = rng.choice(keys)
    new = rng.choice([f" {old}", f"{old} ", f"{old}:", f'"{old}"', f"\ufeff{old}"])
    return renaming(place, old, new)


def two_slips(key: str, rng: random.Random) -> str:
    """Type two letters wrongly."""
    if len(key) < 9:
        return key
    one, two = sorted(rng.sample(range(len(key)), 2))
    return key[:one] + key[one + 1 : two] + key[two : two + 1] * 2 + key[two + 1 :]


def restyled_and_mistyped(place: Place, rng: random.Random) -> Change | None:
    """Write a key in another style and with a slip."""
    keys = [key for key in place.value if key in place.declared] if isinstance(place.value, dict) else []
    for old in rng.sample(keys, len(keys)):
        styled = rng.choice([pascal, screaming, title])(old)
        at = rng.randrange(len(styled))
        new = styled[:at] + styled[at + 1 :]
        if len(flat(old)) > 6 and only_one_is_meant(place, old, new):
            return renaming(place, old, new)
    return None


def nested_envelope(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document into two envelopes."""
    if {"data", "result", "items"} & schema.get("properties", {}).keys():
        return None
    return rng.choice(
        [
            {"data": {"result": document}},
            {"status": "success", "data": {"items": [document]}},
            {"response": {"status": 200, "data": document}, "took_ms": 12},
        ]
    )


def protocol_envelope(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document into an answer of a known protocol."""
    if {"result", "arguments", "data"} & schema.get("properties", {}).keys():
        return None
    return rng.choice(
        [
            {"jsonrpc": "2.0", "id": 7, "result": document},
            {"specversion": "1.0", "type": "x.y", "source": "/z", "id": "1", "data": document},
            {"type": "function", "function": {"name": "f", "arguments": json.dumps(document)}},
            {"data": json.dumps(document), "status": "ok"},
        ]
    )


def titled_envelope(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document under its own name."""
    del rng
    name = re.sub(r"\W", "_", schema.get("title", "record"))
    return None if name in schema.get("properties", {}) else {name: document}


def list_envelope(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document as the only one of a list into an envelope."""
    if {"data", "items", "results"} & schema.get("properties", {}).keys():
        return None
    return rng.choice([{"data": [document]}, {"items": [document], "total": 1}, {"results": [document], "next": None}])


def typographic_quotes(document: Json, rng: random.Random) -> str | None:
    """Write texts in typographic quotes."""
    del rng
    text = json.dumps(document, ensure_ascii=False)
    if "\\" in text or "\u201c" in text or "\u201d" in text:
        return None
    return re.sub(r'"([^"]*)"', "\u201c\\1\u201d", text)


def bare_keys(document: Json, rng: random.Random) -> str | None:
    """Write keys without quotes, as JavaScript does."""
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', json.dumps(document, ensure_ascii=False, indent=rng.choice([None, 2])))
    bare = [
        piece[1:-1] if re.fullmatch(r'"[A-Za-z_]\w*"', piece) and after.startswith(":") else piece
        for piece, after in zip(pieces, [*pieces[1:], ""], strict=True)
    ]
    return "".join(bare) if bare != pieces else None


def no_commas(document: Json, rng: random.Random) -> str | None:
    """Leave out the commas at the ends of lines."""
    del rng
    text = json.dumps(document, ensure_ascii=False, indent=2)
    bare = re.sub(r",\n", "\n", text)
    return bare if bare != text else None


def hash_comments(document: Json, rng: random.Random) -> str | None:
    """Write remarks behind a hash."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return re.sub(r"\n", lambda _: rng.choice(["\n", "  # checked\n"]), text) + "\n# end"


def sly_comments(document: Json, rng: random.Random) -> str | None:
    """Write remarks that hold brackets, quotes and keys."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    remarks = [' // "old": {', " /* ] } */", ' // don\'t "quote"', "", ""]
    return re.sub(r"\n", lambda _: rng.choice(remarks) + "\n", text)


def raw_single(document: Json, rng: random.Random) -> str | None:
    """Break lines within texts as they are, in single quotes."""
    del rng
    text = json.dumps(document, ensure_ascii=False)
    if "\\n" not in text or "'" in text or '\\"' in text or "\\\\" in text:
        return None
    return text.replace("\\n", "\n").replace('"', "'")


def sly_prose(text: str, rng: random.Random) -> str:
    """Put prose with brackets around it."""
    before = rng.choice(["Use {name} and [1] as given:\n", "For {user} (see [docs]): ", "Step {1}: validated {}.\n"])
    return before + text + rng.choice(["", "\n(see [1], {end})", "\n{done}"])


def thought_first(text: str, rng: random.Random) -> str:
    """Put a model's thoughts before it."""
    thought = rng.choice(['<think>The user wants {"a": 1}? No.</think>\n', "<think>\nLet me see.\n</think>\n\n"])
    return thought + text


def marked(text: str, rng: random.Random) -> str:
    """Put a mark before it: a byte order mark, a guard, an assignment, tags."""
    return rng.choice(
        [
            "\ufeff" + text,
            ")]}',\n" + text,
            f"const result = {text};",
            f"callback({text});",
            f"<json>{text}</json>",
            f"~~~json\n{text}\n~~~",
            f"data: {text}\n\n",
            f"> {text}" if "\n" not in text else f"`{text}`",
        ]
    )
