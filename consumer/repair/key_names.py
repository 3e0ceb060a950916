"""Similarity of keys: equal up to casing and separators, a slip of the keyboard, near, or neither. Pure.

Only a slip is corrected: a swapped, doubled, lost or neighbouring letter that leaves no known word. What is merely
near, such as another unit, role or opposite, may mean something else.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from consumer.repair.known_words import (
    CASED_UNITS,
    CURRENCIES,
    ENDS_IN_ROLE,
    MEASURE_WORDS,
    PREFIXES,
    UNITS,
    are_opposites,
    are_variants,
    has_another_affix,
    is_another_compound,
    is_known,
)

_SEPARATORS: Final = re.compile(r"[\s_.\-\"'`:\ufeff\u200b]+")
_DIGITS: Final = re.compile(r"\d+")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_MAX_LENGTH: Final = 64
_OVER_BOUND: Final = 99
_MAX_SPLITS: Final = 400
_ROWS: Final = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS: Final = frozenset(
    (a, b)
    for y, row in enumerate(_ROWS)
    for x, a in enumerate(row)
    for dy, steps in ((0, (-1, 1)), (1, (-1, 0)), (-1, (0, 1)))
    if 0 <= y + dy < len(_ROWS)
    for dx in steps
    if 0 <= x + dx < len(_ROWS[y + dy])
    for b in (_ROWS[y + dy][x + dx],)
)
"""Pairs of letters whose keys touch each other."""
_BESIDE: Final = {letter: "".join(sorted(b for a, b in _NEIGHBOURS if a == letter)) for letter in "".join(_ROWS)}
_SURE: Final = 8
"""Length from which a word of no dictionary is corrected where a letter is lost, or hit beside its key."""
_LONG: Final = 7
"""Length from which two words that differ by one letter are rare, and known."""
_ENDINGS: Final = frozenset("sdrny")
_DERIVES: Final = frozenset({"ed", "er", "or", "ee", "ing", "able"})
"""What makes another word of one at its end: `discounted`, `lender`."""
_DOUBLED_SHORT: Final = frozenset({"id", "at", "no", "by", "to", "is", "on", "of"})


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Return a name's canonical form, without casing and separators: `userId`, `user_id` and `User-ID` are equal."""
    return _SEPARATORS.sub("", name).casefold()


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name as they are written: `user`, `Id` of `userId`."""
    return tuple(
        word for part in _SEPARATORS.split(name) for word in ((part,) if part in CASED_UNITS else _WORD.findall(part))
    )


@lru_cache(maxsize=4096)
def is_recased(name: str, wanted: str) -> bool:
    """Return whether two names of one canonical form are the same: numbers and units of another case are not."""
    if _DIGITS.findall(name) != _DIGITS.findall(wanted):
        return False
    left, right = words_of(name), words_of(wanted)
    if len(left) != len(right):
        return "s" not in {left[-1].casefold(), right[-1].casefold()}  # `timeouts` is none of `timeout_s`
    return len(name) == 1 or not any(_is_another_unit(a, b, name, wanted) for a, b in zip(left, right, strict=True))


def _is_another_unit(left: str, right: str, name: str, wanted: str) -> bool:
    if left == right or left not in CASED_UNITS or right not in CASED_UNITS:
        return left != right and {left.casefold(), right.casefold()} <= {"mw", "mv", "ma", "mj"}
    return not any(one in {one.lower(), one.upper()} for one in (name, wanted) if one not in {left, right})


@lru_cache(maxsize=8192)
def near(name: str, wanted: str) -> int | None:
    """Return the edit distance between two names; None where one is too far from the other to be meant by it."""
    left, right = plain(name), plain(wanted)
    # Digits are significant: line2 is no misspelt line1.
    if max(len(left), len(right)) > _MAX_LENGTH or _DIGITS.findall(name) != _DIGITS.findall(wanted):
        return None
    most = _max_slips(min(len(right), len(left) + 1))
    if abs(len(left) - len(right)) > most:
        return None
    found = distance(left, right, most)
    return found if found <= most else None


def _max_slips(length: int) -> int:
    if length <= 2:  # noqa: PLR2004 - two letters leave nothing to go by
        return 1 if length == 2 else 0  # noqa: PLR2004
    return 1 if length < 6 else 2 if length < 14 else 3  # noqa: PLR2004 - a third of the letters, and never more


@lru_cache(maxsize=8192)
def slips(name: str, wanted: str) -> int | None:
    """Return how many slips of the keyboard make one name of the other; None where it may be meant as it is."""
    far = near(name, wanted)
    if not far:
        return far
    typed = [word.casefold() for word in words_of(name)]
    whole, parts = plain(name), [word.casefold() for word in words_of(wanted)]
    if len(typed) == len(parts) and any(map(are_opposites, typed, parts)):
        return None
    if len(typed) == len(parts) and all(is_known(word) or word.isdigit() for word in typed):
        return None if not are_variants(whole, plain(wanted)) else far
    if "".join(parts) != plain(wanted):  # other signs within it
        parts = [plain(wanted)]
    found = _by_words(whole, parts, far)
    if found is None and far == 1 and _is_swap_of_borders(whole, parts):
        return 1
    return found


def _by_words(typed: str, parts: Sequence[str], most: int) -> int | None:
    """Carve what was typed into the words that were wanted, each with the slips in it."""
    reached = {0: 0}
    for word in parts:
        after: dict[int, int] = {}
        for at, count in reached.items():
            for length in range(max(1, len(word) - most), len(word) + most + 1):
                if at + length > len(typed):
                    break
                piece = typed[at : at + length]
                more = 0 if piece == word else _word_slips(piece, word)
                if more is not None and count + more <= max(most, after.get(at + length, 0)):
                    after[at + length] = min(count + more, after.get(at + length, _OVER_BOUND))
        reached = after
        if len(reached) > _MAX_SPLITS:
            return None
    return reached.get(len(typed))


def _word_slips(typed: str, wanted: str) -> int | None:  # noqa: PLR0911 - one for each length of a word
    if are_variants(typed, wanted):
        return 1
    if is_known(typed) or _is_another_form(typed, wanted) or is_another_compound(typed, wanted):
        return None
    length = len(wanted)
    if length == 1 or typed.isdigit() or wanted.isdigit():
        return None
    if length == 2:  # noqa: PLR2004
        swapped = wanted == "id" and typed == "di"
        return 1 if swapped or (wanted in _DOUBLED_SHORT and _is_doubled(typed, wanted)) else None
    if length == 3:  # noqa: PLR2004 - any other letter makes another abbreviation of it
        return 1 if _is_swap(typed, wanted) or _is_doubled(typed, wanted) else None
    most = 2 if length >= 8 else 1  # noqa: PLR2004
    is_sure = length >= _SURE or is_known(wanted)  # another trade's or language's word: near it may be another one
    if length >= 5 and _is_one_letter_off(typed, wanted):  # noqa: PLR2004
        return 1
    found = _keyboard_slips(typed, wanted)
    return found if found <= most and (is_sure or _is_swap(typed, wanted) or _is_doubled(typed, wanted)) else None


def _is_another_form(typed: str, wanted: str) -> bool:
    """Return whether one word is made of the other by an ending or a prefix that gives it another meaning."""
    if are_opposites(typed, wanted) or has_another_affix(typed, wanted):
        return True
    stem = len(typed) - 2
    if typed[:stem] == wanted[:-2] and typed.endswith(ENDS_IN_ROLE) and wanted.endswith(ENDS_IN_ROLE):
        return True
    longer, shorter = (typed, wanted) if len(typed) > len(wanted) else (wanted, typed)
    added = longer[len(shorter) :] if longer.startswith(shorter) else ""
    if added in _DERIVES or (shorter[-1] == "e" and added in {"d", "r"}):
        return True
    return longer.endswith(shorter) and longer[: len(longer) - len(shorter)] in PREFIXES and longer[0] != longer[1]


def _is_swap(left: str, right: str) -> bool:
    if len(left) != len(right):
        return False
    at = [place for place, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]
    return len(at) == 2 and at[1] == at[0] + 1 and left[at[0]] == right[at[1]] and left[at[1]] == right[at[0]]  # noqa: PLR2004


def _is_swap_of_borders(typed: str, parts: Sequence[str]) -> bool:
    """Return whether the last letter of one word and the first of the next are swapped: `ordeird`."""
    wanted = "".join(parts)
    if len(wanted) < 6 or not _is_swap(typed, wanted):  # noqa: PLR2004
        return False
    at = next(place for place, (a, b) in enumerate(zip(typed, wanted, strict=True)) if a != b)
    return at + 1 in {len("".join(parts[:count])) for count in range(1, len(parts))}


def _is_doubled(typed: str, wanted: str) -> bool:
    return any(typed == wanted[:at] + wanted[at - 1] + wanted[at:] for at in range(1, len(wanted) + 1))


def _is_one_letter_off(typed: str, wanted: str) -> bool:
    """Return whether one letter of a known word is another one, or too many; neither makes an ending of its own."""
    if not 0 <= len(typed) - len(wanted) <= 1 or (len(wanted) < _LONG and not is_known(wanted)):
        return False
    at = next((place for place, (a, b) in enumerate(zip(typed, wanted, strict=False)) if a != b), len(wanted))
    rest = wanted[at + 1 :] if len(typed) == len(wanted) else wanted[at:]
    if typed[at + 1 :] != rest or not typed[at].isalpha():
        return False
    return bool(rest) or (typed[at] not in _ENDINGS and not is_known(typed[:at]))


def _keyboard_slips(typed: str, wanted: str) -> int:
    """Count the slips that make one of the other: swapped, doubled, lost and neighbouring letters."""
    before: list[int] = []
    row = list(range(len(wanted) + 1))
    for i, a in enumerate(typed, 1):
        above_that, before = before, row
        extra = 1 if _may_be_extra(typed, i - 1) else _OVER_BOUND
        row = [before[0] + extra]
        for j, b in enumerate(wanted, 1):
            cost = min(before[j] + extra, row[j - 1] + 1)
            cost = min(cost, before[j - 1] + (0 if a == b else 1 if (a, b) in _NEIGHBOURS else _OVER_BOUND))
            if i > 1 and j > 1 and a == wanted[j - 2] and typed[i - 2] == b:
                cost = min(cost, above_that[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _may_be_extra(typed: str, at: int) -> bool:
    beside = [typed[place] for place in (at - 1, at + 1) if 0 <= place < len(typed)]
    return any(typed[at] == one or (typed[at], one) in _NEIGHBOURS for one in beside)


def variants(name: str) -> Iterator[str]:
    """Yield what a name may be misspelt from: other casing, other separators, a letter lost, doubled, swapped."""
    if len(name) > _MAX_LENGTH:
        return
    yield from {name.lower(), name.upper(), name.swapcase(), name.capitalize(), name[:1].swapcase() + name[1:]}
    for one in dict.fromkeys((name, name.lower())):
        yield from (_SEPARATORS.sub(other, one) for other in ("", "-", "_", ".", " "))
        yield from (other.join(words_of(one)) for other in "-_.")
        yield from (other.join(words_of(one)).lower() for other in "-_.")
        yield "".join(word.capitalize() if at else word.lower() for at, word in enumerate(words_of(one)))
        for at in range(len(one)):
            yield one[:at] + one[at + 1 :]
            yield one[: at + 1] + one[at:]
            yield one[:at] + one[at + 1 : at + 2] + one[at] + one[at + 2 :]
            yield from (one[:at] + other + one[at + 1 :] for other in _BESIDE.get(one[at].lower(), ""))


@lru_cache(maxsize=8192)
def related(name: str, wanted: str) -> bool:
    """Return whether one may well stand for the other, though it is no misspelling: `desc`, `descr`, `description`."""
    left, right = sorted((plain(name), plain(wanted)), key=len)
    if len(left) > _MAX_LENGTH or len(right) > _MAX_LENGTH:
        return False
    if len(left) >= 3 and (right.startswith(left) or right.endswith(left)):  # noqa: PLR2004 - `id` begins too much
        return True
    shared = len(right) * 2 // 5
    return len(left) >= 4 and distance(left, right, shared) <= shared  # noqa: PLR2004


@lru_cache(maxsize=8192)
def differs_in_meaning(name: str, wanted: str) -> bool:
    """Return whether two names are the same but for a unit, a currency, a role or an opposite: `price_eur`."""
    left, right = ([word.casefold() for word in words_of(one)] for one in (name, wanted))
    if len(left) != len(right) or len(name) > _MAX_LENGTH:
        return False
    apart = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
    return bool(apart) and all(are_opposites(a, b) for a, b in apart)


def is_measured(name: str, base: str) -> bool:
    """Return whether a name is another one with a unit or a currency after it: `price_eur` of `price`."""
    words, begin = words_of(name), words_of(base)
    if len(words) != len(begin) + 1 or len(name) > _MAX_LENGTH:
        return False
    same = all(a.casefold() == b.casefold() for a, b in zip(words, begin, strict=False))
    return same and (words[-1].casefold() in UNITS or words[-1].casefold() in CURRENCIES)


def may_mean(name: str, wanted: str) -> bool:
    """Return whether a name may be meant for another one: it is near, or of another unit, role or direction."""
    return near(name, wanted) is not None or differs_in_meaning(name, wanted)


def says_the_measure(name: str, value: object) -> bool:
    """Return whether a member says in what another one is measured: by its name, or as a unit or a currency."""
    if plain(name) in MEASURE_WORDS or any(word.casefold() in MEASURE_WORDS for word in words_of(name)):
        return True
    return isinstance(value, str) and len(value) > 1 and (value.lower() in UNITS or value.lower() in CURRENCIES)


def distance(left: str, right: str, most: int) -> int:
    """Compute the Damerau-Levenshtein distance (insert, delete, substitute, swap neighbours), up to a bound."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        above_that, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, above_that[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return _OVER_BOUND
    return row[-1]
