"""The damage beyond the bar, with what another measurer might think of: everywhere at once, and around near names."""

import json
import random
import re
from typing import Final

from tests.support.damaged import key_damage, rare_damage, value_damage
from tests.support.damaged.damage import Around, Change, Damage, Inside, Told, Written, put
from tests.support.damaged.schema_positions import Json, Place, Schema
from tests.support.damaged.spellings import apart, flat, pascal, screaming, title


def letter_by_letter(key: str) -> str:
    """Write a key like_t_h_i_s, as naive converters do with capitals in a row."""
    return re.sub(r"(?<=.)([A-Z])", lambda found: f"_{found.group(1)}", key).lower()


def capitals(key: str) -> str:
    """Write a key LIKETHIS, or likethis."""
    return flat(key).upper()


def dotted(key: str) -> str:
    """Write a key like.this."""
    return ".".join(title(key).lower().split())


def mistyped_beside_near(place: Place, rng: random.Random) -> Change | None:
    """Mistype a key that has near neighbours, all of which are there."""
    keys = [key for key in place.value if key in place.declared] if isinstance(place.value, dict) else []
    for old in rng.sample(keys, len(keys)):
        new = rng.choice([key_damage.dropped, key_damage.doubled, key_damage.transposed])(old, rng)
        absent = [key for key in place.declared if key not in place.value]
        near = min((apart(old.lower(), other.lower()) for other in place.declared if other != old), default=9)
        clear = new not in place.declared and all(apart(new.lower(), key.lower()) > 3 for key in absent)
        if new != old and near <= 3 and clear and old in place.required:
            return key_damage.renaming(place, old, new)
    return None


def short_mistyped(place: Place, rng: random.Random) -> Change | None:
    """Mistype a key of three letters or four."""
    keys = [key for key in place.value if key in place.declared] if isinstance(place.value, dict) else []
    for old in rng.sample(keys, len(keys)):
        new = rng.choice([key_damage.doubled, key_damage.transposed])(old, rng)
        if len(old) in {3, 4} and new != old and key_damage.only_one_is_meant(place, old, new):
            return key_damage.renaming(place, old, new)
    return None


def extra_like_another(place: Place, rng: random.Random) -> Change | None:
    """Add a key that is called after one that is there."""
    if not isinstance(place.value, dict) or not place.closed or not place.value:
        return None
    old = rng.choice(list(place.value))
    new = rng.choice([f"{old}_old", f"old_{old}", f"x-{old}", f"{old}Raw", f"_{old}_hash", f"previous_{old}"])
    near = any(apart(flat(new), flat(key)) < 3 for key in place.declared)
    value = rng.choice([place.value[old], "n/a", 7, None])
    return None if near else Change(become=lambda now: {**now, new: value}, about=new)


def any_extra_key(place: Place, rng: random.Random) -> Change | None:
    """Add a key as test writers call it."""
    if not isinstance(place.value, dict) or not place.closed:
        return None
    new = rng.choice(
        ["extra", "foo", "unknown_field", "extra_field", "unexpected", "meta", "_meta", "tmp", "additionalInfo", "x"]
    )
    near = any(apart(flat(new), flat(key)) < 3 for key in place.declared)
    value: Json = rng.choice(["x", 1, True, None, [], {}, {"a": 1}, "surprise", "2024-01-01"])
    return None if near else Change(become=lambda now: {**now, new: value}, about=new)


def midnight_elsewhere(place: Place, rng: random.Random) -> Change | None:
    """Write a day as a midnight in less usual forms."""
    day = value_damage.as_day(place)
    forms = ["T00:00", "T00:00:00.000000", "T00:00:00.000+00:00", " 00:00", "T00:00Z", "T00:00:00-00:00"]
    return put(f"{day}{rng.choice(forms)}") if day else None


def text_for_number(place: Place, rng: random.Random) -> Change | None:
    """Give a text of digits, which no reading makes shorter, as a number."""
    del rng
    value = place.value
    digits = isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,14}", value)
    return put(int(value)) if digits else None


def unescaped(text: str, rng: random.Random) -> str:
    """Escape the quotes, and leave the quotes around it out."""
    del rng
    return json.dumps(text)[1:-1]


def other_block(text: str, rng: random.Random) -> str:
    """Put a block of something else beside the fenced text."""
    return rng.choice(
        [
            f"Run this first:\n```bash\nnpm install\n```\nThen:\n```json\n{text}\n```\n",
            f"```json\n{text}\n```\nTo send it:\n```sh\ncurl -X POST http://127.0.0.1/ --data @file\n```\n",
            f"<output>\n{text}\n</output>",
            f"**Answer**\n\n{text}\n\n---\n*generated*",
            f"json\n{text}",
            f"{text};",
            f"return {text}",
        ]
    )


def windows(document: Json, rng: random.Random) -> str | None:
    """Write it with the line ends of Windows, a trailing comma and a remark."""
    del rng
    text = json.dumps(document, ensure_ascii=False, indent=4)
    return re.sub(r"(?<=[^\s{\[,:])\n(\s*)}", r",\n\1}", text, count=1).replace("\n", "\r\n") + "\r\n// end\r\n"


def javascript(document: Json, rng: random.Random) -> str | None:
    """Write it as JavaScript: bare keys, single quotes, a trailing comma, a remark."""
    del rng
    text = json.dumps(document, ensure_ascii=False, indent=2)
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', text)
    made = []
    for piece, after in zip(pieces, [*pieces[1:], ""], strict=True):
        if not piece.startswith('"'):
            made.append(piece)
        elif after.startswith(":") and re.fullmatch(r'"[A-Za-z_]\w*"', piece):
            made.append(piece[1:-1])
        else:
            made.append("'" + piece[1:-1].replace('\\"', '"').replace("'", "\\'") + "'")
    return re.sub(r"\n(\s*)([}\]])$", r", // last\n\1\2", "".join(made))


def python_tuple(document: Json, rng: random.Random) -> str | None:
    """Write it as Python prints it where lists are tuples."""
    del rng
    made = repr(_tuples(document))
    return made if "(" in made and made != repr(document) else None


def _tuples(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def status_of_the_same_name(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document into an envelope whose other keys are called like some of its own."""
    if not isinstance(document, dict) or "data" in schema.get("properties", {}):
        return None
    key = rng.choice(list(document))
    return {key: "ok", "data": document}


def unusual_wrapper(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document under a key that other services use."""
    name = rng.choice(
        ["Data", "d", "value", "attributes", "answer", "return", "json", "message", "item", "object", "_data"]
    )
    if name in schema.get("properties", {}):
        return None
    return rng.choice(
        [{name: document}, {name: document, "meta": {"page": 1}, "links": []}, {"@context": "x", name: document}]
    )


HARD: Final[tuple[Damage, ...]] = (
    Inside("zero-padded integer", rare_damage.zero_padded),
    Inside("blanks or underscores in an integer", rare_damage.otherwise_grouped),
    Inside("grouped number with a fraction", rare_damage.grouped_number),
    Inside("plus or typographic minus", rare_damage.signed),
    Inside("integer as 12.0", rare_damage.with_fraction),
    Inside("1/0 for a boolean", rare_damage.one_or_nought),
    Inside("y/n/t/f for a boolean", rare_damage.one_letter),
    Inside("padded boolean", rare_damage.padded_boolean),
    Inside("quoted and in a list of one", rare_damage.listed_text),
    Inside("enum with other separators", rare_damage.respelt_word),
    Inside("padded date", rare_damage.padded_day),
    Inside("date without noughts", rare_damage.loose_day),
    Inside("date with a month's name", rare_damage.named_day),
    Inside("day last, unambiguous", rare_damage.clear_day),
    Inside("date as a number", rare_damage.number_for_day),
    Inside("time with a loose zone", rare_damage.loose_zone),
    Inside("null for an absent key", rare_damage.null_for_absent),
    Inside("list as numbered object", rare_damage.single_member),
    Inside("twice-encoded part", rare_damage.twice_encoded),
    Inside("part as Python repr", rare_damage.repr_part),
    Inside("padded or quoted key", rare_damage.padded_key),
    Inside("key in Pascal", key_damage.restyled(pascal)),
    Inside("key in title case", key_damage.restyled(title)),
    Inside("key in screaming snake", key_damage.restyled(screaming)),
    Inside("keys in Pascal, all", key_damage.all_restyled(pascal), everywhere=True),
    Inside("keys in title case, all", key_damage.all_restyled(title), everywhere=True),
    Inside("key with two slips", key_damage.mistyped(rare_damage.two_slips)),
    Inside("key restyled and mistyped", rare_damage.restyled_and_mistyped),
    Inside("basic dates, all", value_damage.basic_day, everywhere=True),
    Around("envelope in an envelope", rare_damage.nested_envelope),
    Around("envelope of a protocol", rare_damage.protocol_envelope),
    Around("envelope by title", rare_damage.titled_envelope),
    Around("envelope with a list of one", rare_damage.list_envelope),
    Written("typographic quotes", rare_damage.typographic_quotes),
    Written("bare keys", rare_damage.bare_keys),
    Written("commas left out", rare_damage.no_commas),
    Written("hash comments", rare_damage.hash_comments),
    Written("sly comments", rare_damage.sly_comments),
    Written("raw newlines in single quotes", rare_damage.raw_single),
    Told("sly prose", rare_damage.sly_prose),
    Told("thoughts first", rare_damage.thought_first),
    Told("marks around it", rare_damage.marked),
    Inside("numbers padded, all", value_damage.padded_number, everywhere=True),
    Inside("integers grouped, all", value_damage.grouped_integer, everywhere=True),
    Inside("booleans worded, all", value_damage.worded_boolean, everywhere=True),
    Inside("enums in another case, all", value_damage.cased_word, everywhere=True),
    Inside("midnights for dates, all", value_damage.midnight_day, everywhere=True),
    Inside("lists of one unwrapped, all", value_damage.scalar_for_list, everywhere=True),
    Inside("parts encoded, all", value_damage.encoded_part, everywhere=True),
    Inside("a key mistyped in every object", key_damage.mistyped(key_damage.doubled), everywhere=True),
    Inside("an extra key in every object", key_damage.extra_key, everywhere=True),
    Inside("keys letter by letter, all", key_damage.all_restyled(letter_by_letter), everywhere=True),
    Inside("keys in capitals, all", key_damage.all_restyled(capitals), everywhere=True),
    Inside("keys dotted, all", key_damage.all_restyled(dotted), everywhere=True),
    Inside("key mistyped beside near ones", mistyped_beside_near),
    Inside("short key mistyped", short_mistyped),
    Inside("extra key called after another", extra_like_another),
    Inside("extra key of any name", any_extra_key),
    Inside("unusual midnight for a date", midnight_elsewhere),
    Inside("number for a text of digits", text_for_number),
    Around("envelope with a key of the same name", status_of_the_same_name),
    Around("envelope of an unusual name", unusual_wrapper),
    Written("line ends of Windows", windows),
    Written("JavaScript", javascript),
    Written("Python repr with tuples", python_tuple),
    Told("escaped, without quotes around", unescaped),
    Told("another block beside it", other_block),
)
