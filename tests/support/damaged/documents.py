"""Seeded documents that follow a schema."""

import random
import re
import string
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml

from tests.support.damaged.schema_positions import Json, Schema, dereferenced, valid

SCHEMAS: Final = Path(__file__).parent / "schemas"
_TRIES: Final = 200
_DAYS: Final = 9000
_SMALLEST, _LARGEST = -9_000_000, 9_000_000
_NAMES: Final = ("Ada Lovelace", "Grace Hopper", "Zo\u00eb M\u00fcller", "O'Brien & Sons", "Jos\u00e9 Ortega", "Li Wei")
_WORDS: Final = (
    *("a", "quiet", "harbour", "at", "dawn", "with", "two", "boats,", "painted", "blue;", "the", "\u201cold\u201d"),
    *("pier", "isn't", "used:", "3", "gulls", "(and", "a", "cat)", "rest", "on", "it.", "please", "call", "before"),
    *("noon", "-", "gate", "7", "is", "locked", "/", "ring", "twice", "#5", "now"),
)
_NASTY: Final = (
    'she said "no, thanks" and left',
    "a path C:\\temp\\new",
    "// not a comment, and /* neither */",
    "braces {inside} and [brackets], or ]} closing",
    "it's the dog's; 'quoted' \"twice\"",
    "```json is how a fence begins",
    "ends with a comma,",
    'key": "value',
    "None, True, false and null",
    "12,345.00",
    "2024/05/17",
    "yes",
    "tab\there",
    'line one\nline two: "x",\n}',
    "\U0001f600 \u2028 \u00e9\u0301 \u202bRTL",
    "# no comment either",
    "trailing backslash \\",
    "1",
    "https://example.com/a?b={c}#d // e",
    "<b>bold</b> &amp; more",
)
_HOSTS: Final = ("example.com", "mail.example.org", "shop.example.net")


def written_schemas() -> list[Schema]:
    """Return the schemas that were written by hand."""
    return [schema for file in sorted(SCHEMAS.glob("*.yaml")) for schema in yaml.safe_load_all(file.read_text("utf-8"))]


def document(schema: Schema, rng: random.Random) -> Json:
    """Return a document that follows the schema, or raise when none was found."""
    for _ in range(_TRIES):
        made = _made(schema, schema, rng, 0)
        if valid(made, schema):
            return made
    raise LookupError(f"no document found for {schema.get('title')}")


def _made(schema: Schema, root: Schema, rng: random.Random, depth: int) -> Json:
    schema = dereferenced(schema, root)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            # The first alternative is the one that ends a schema that contains itself.
            branch = schema[word][0] if depth > 6 else rng.choice(schema[word])
            return _made(branch, root, rng, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    return _typed(_type_of(schema, rng), schema, root, rng, depth)


def _type_of(schema: Schema, rng: random.Random) -> str:
    named = schema.get("type", "object" if "properties" in schema else "string")
    return str(named if isinstance(named, str) else rng.choice(named))


def _typed(kind: str, schema: Schema, root: Schema, rng: random.Random, depth: int) -> Json:  # noqa: PLR0911 - a line a type
    match kind:
        case "object":
            return _object(schema, root, rng, depth)
        case "array":
            least = schema.get("minItems", 0)
            count = rng.choice([1, least, rng.randint(least, min(schema.get("maxItems", 4), 4))])
            return [_made(schema["items"], root, rng, depth + 1) for _ in range(max(count, least))]
        case "boolean":
            return rng.random() < 0.5
        case "integer":
            return _integer(schema, rng)
        case "number":
            return _number(schema, rng)
        case "null":
            return None
        case _:
            return _string(schema, rng)


def _object(schema: Schema, root: Schema, rng: random.Random, depth: int) -> Json:
    required = set(schema.get("required", ()))
    made = {
        key: _with_default(inner, root, rng, depth)
        for key, inner in schema.get("properties", {}).items()
        if key in required or rng.random() < 0.65
    }
    inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    if isinstance(inner, dict):
        shapes = schema.get("propertyNames", {}).get("examples", ["gateau", "naive", "resume"])
        for _ in range(rng.randint(1, 3)):
            made[_perturbed(rng.choice(shapes), rng, ".*")] = _made(inner, root, rng, depth + 1)
    return made


def _with_default(schema: Schema, root: Schema, rng: random.Random, depth: int) -> Json:
    if "default" in schema and rng.random() < 0.5:
        return schema["default"]
    return _made(schema, root, rng, depth + 1)


def _bounds(schema: Schema) -> tuple[float, float]:
    low = _limit(schema, "minimum", "exclusiveMinimum", otherwise=_SMALLEST)
    return low, _limit(schema, "maximum", "exclusiveMaximum", otherwise=max(_LARGEST, 10 * low))


def _limit(schema: Schema, *names: str, otherwise: float) -> float:
    return next((float(schema[name]) for name in names if name in schema), otherwise)


def _integer(schema: Schema, rng: random.Random) -> int:
    low, high = map(int, _bounds(schema))
    step = int(schema.get("multipleOf", 1))
    chosen = rng.choice([rng.randint(low, min(high, low + 50)), rng.randint(low, min(high, low + 5000))])
    return max(low, (rng.choice([chosen, rng.randint(low, high)]) // step) * step)


def _number(schema: Schema, rng: random.Random) -> float:
    low, high = _bounds(schema)
    top = rng.choice([min(high, low + 100), high])
    made = round(rng.uniform(low, top), rng.choice([1, 2, 2, 3]))
    return min(max(made, low), high) if made % 1 else made + (0.25 if low <= made + 0.25 <= high else 0)


def _string(schema: Schema, rng: random.Random) -> str:
    if "format" in schema:
        return _formatted(schema["format"], rng)
    if "pattern" in schema:
        return _perturbed(rng.choice(schema["examples"]), rng, schema["pattern"])
    least, most = schema.get("minLength", 0), schema.get("maxLength", 160)
    if most <= 30:
        return "".join(rng.choices(string.ascii_letters, k=rng.randint(max(least, 4), min(most, 12))))
    made = rng.choice([_text(rng), _text(rng), rng.choice(_NAMES), rng.choice(_NASTY)])
    return made[:most].strip().ljust(least, "x")


def _text(rng: random.Random) -> str:
    words = " ".join(rng.choices(_WORDS, k=rng.randint(2, 12)))
    return words.replace(" ", rng.choice(["\n", "\n\n"]), 1) if rng.random() < 0.3 else words


def _formatted(form: str, rng: random.Random) -> str:
    day = date(2001, 1, 1) + timedelta(days=rng.randrange(_DAYS))
    match form:
        case "date":
            return day.isoformat()
        case "date-time":
            seconds = timedelta(seconds=rng.randrange(86400))
            at = datetime.combine(day, datetime.min.time(), tzinfo=UTC) + seconds
            return at.isoformat().replace("+00:00", rng.choice(["Z", "+02:00", "-05:00", "Z"]))
        case "uuid":
            return str(uuid.UUID(int=rng.getrandbits(128), version=4))
        case "email":
            return f"{rng.choice(['ada', 'g.hopper', 'sales+eu', 'zoe_m'])}{rng.randrange(100)}@{rng.choice(_HOSTS)}"
        case _:
            what = rng.choice(["a", "media/x.png", "runbooks/7?step=2"])
            return f"https://{rng.choice(_HOSTS)}/{what}{rng.randrange(99)}"


def _perturbed(shape: str, rng: random.Random, pattern: str) -> str:
    made = "".join(map(lambda letter: _alike(letter, rng), shape))  # noqa: C417 - a generator would hide the rng
    return made if re.search(pattern, made) else shape


def _alike(letter: str, rng: random.Random) -> str:
    for letters in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
        if letter in letters:
            return rng.choice(letters)
    return letter
