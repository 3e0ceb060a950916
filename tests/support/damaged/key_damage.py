"""Damage to keys: other styles, typing mistakes, keys too many."""

import random
import string
from collections.abc import Callable, Mapping
from typing import Final

from tests.support.damaged.damage import Change, Damage, Inside
from tests.support.damaged.schema_positions import Json, Place, renamed
from tests.support.damaged.spellings import apart, camel, flat, kebab, snake, words

_SHORTEST: Final = 4
_FAR: Final = 3
_EXTRA: Final[Mapping[str, Json]] = {
    "_debug": True,
    "trace_parent": "00-4bf92f-01",
    "xRequestSource": "partner-gateway",
    "legacy-hash": 88123,
    "__typename": "Record",
    "internalReviewMemo": {"by": "qa", "ok": None},
    "zz_unused": [1, 2],
    "ui.theme": "dark",
}


def restyled(style: Callable[[str], str]) -> Callable[[Place, random.Random], Change | None]:
    """Return the damage that writes one key in another style."""

    def change(place: Place, rng: random.Random) -> Change | None:
        found = [key for key in _keys(place) if _can_be_restyled(place, key, style(key))]
        if not found:
            return None
        old = rng.choice(found)
        return renaming(place, old, style(old))

    return change


def all_restyled(style: Callable[[str], str]) -> Callable[[Place, random.Random], Change | None]:
    """Return the damage that writes every key of an object in another style."""

    def change(place: Place, rng: random.Random) -> Change | None:
        del rng
        names = {key: style(key) for key in _keys(place) if _can_be_restyled(place, key, style(key))}
        if not names:
            return None
        harmless = any(_taken_anyway(place, key) for key in names)
        return Change(become=lambda now: {names.get(key, key): value for key, value in now.items()}, harmless=harmless)

    return change


def renaming(place: Place, old: str, new: str) -> Change:
    """Return the change that calls a key otherwise."""
    return Change(become=lambda now: renamed(now, old, new), about=old, harmless=_taken_anyway(place, old))


def _taken_anyway(place: Place, key: str) -> bool:
    return not place.closed and key not in place.required


def _keys(place: Place) -> list[str]:
    return [key for key in place.value if key in place.declared] if isinstance(place.value, dict) else []


def _can_be_restyled(place: Place, key: str, new: str) -> bool:
    alone = [flat(other) for other in place.declared].count(flat(key)) == 1
    return new != key and flat(new) == flat(key) and alone and new not in place.declared


def mistyped(slip: Callable[[str, random.Random], str]) -> Callable[[Place, random.Random], Change | None]:
    """Return the damage that types one key wrongly."""

    def change(place: Place, rng: random.Random) -> Change | None:
        for old in rng.sample(_keys(place), len(_keys(place))):
            new = slip(old, rng)
            if len(old) >= _SHORTEST and new != old and only_one_is_meant(place, old, new):
                return renaming(place, old, new)
        return None

    return change


def only_one_is_meant(place: Place, old: str, new: str) -> bool:
    """Say whether no other key of the schema is nearly as near to what was typed."""
    return all(
        apart(new.lower(), other.lower()) >= _FAR and flat(new) != flat(other)
        for other in place.declared
        if other != old
    )


def dropped(key: str, rng: random.Random) -> str:
    """Leave out a letter."""
    at = rng.randrange(len(key))
    return key[:at] + key[at + 1 :]


def doubled(key: str, rng: random.Random) -> str:
    """Type a letter twice."""
    at = rng.randrange(len(key))
    return key[: at + 1] + key[at:]


def transposed(key: str, rng: random.Random) -> str:
    """Swap two neighbours."""
    at = rng.randrange(len(key) - 1) if len(key) > 1 else 0
    return key[:at] + key[at + 1 : at + 2] + key[at : at + 1] + key[at + 2 :]


def other_letter(key: str, rng: random.Random) -> str:
    """Type another letter for one."""
    at = rng.randrange(len(key))
    return key[:at] + rng.choice(string.ascii_lowercase) + key[at + 1 :] if key[at].isalpha() else key


def extra_key(place: Place, rng: random.Random) -> Change | None:
    """Add a key that the schema does not know and that resembles none that it knows."""
    if not isinstance(place.value, dict) or not place.closed:
        return None
    name = rng.choice(list(_EXTRA))
    near = any(apart(flat(name), flat(key)) < _FAR or set(words(name)) & set(words(key)) for key in place.declared)
    return None if near else Change(become=lambda now: _inserted(now, name, rng.randint(0, 5)), about=name)


def _inserted(node: dict[str, Json], name: str, at: int) -> dict[str, Json]:
    items = list(node.items())
    items.insert(at, (name, _EXTRA[name]))
    return dict(items)


NAMES: Final[tuple[Damage, ...]] = (
    Inside("key in camel", restyled(camel)),
    Inside("key in snake", restyled(snake)),
    Inside("key in kebab", restyled(kebab)),
    Inside("keys in camel, all", all_restyled(camel), everywhere=True),
    Inside("keys in snake, all", all_restyled(snake), everywhere=True),
    Inside("keys in kebab, all", all_restyled(kebab), everywhere=True),
    Inside("key lacks a letter", mistyped(dropped)),
    Inside("key doubles a letter", mistyped(doubled)),
    Inside("key transposed", mistyped(transposed)),
    Inside("key with another letter", mistyped(other_letter)),
    Inside("extra key", extra_key),
)
