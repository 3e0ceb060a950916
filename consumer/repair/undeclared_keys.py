"""Undeclared keys of an object: renames them to the declared keys that they misspell, keeps or drops them. Pure."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Final

from consumer.repair.compiled_schema import CompiledSchema
from consumer.repair.envelope_members import reports_failure
from consumer.repair.fit import INFINITE, SAME, Fit, Fitter, Miss
from consumer.repair.key_names import (
    differs_in_meaning,
    is_measured,
    is_recased,
    may_mean,
    near,
    plain,
    related,
    says_the_measure,
    slips,
)
from consumer.repair.lossless_fields import Guard, below
from consumer.repair.qualifying_members import qualifies
from consumer.repair.schema_defaults import FILL, filling, in_place_of_null
from consumer.repair.values import Json, RefusalCause
from schemas.json_value import same
from schemas.value import value

RECASE: Final = 10
MISSPELT: Final = 30
SLIP: Final = 15
STAY: Final = 60
"""Extra cost of keeping a misspelt key, compared with correcting it."""
DROP_NULL: Final = 150
DROP: Final = 200
_MAX_UNDECLARED: Final = 100
_MAX_PAIRS: Final = 5_000
_MAX_COMBINATIONS: Final = 4_000
_MAX_CACHED: Final = 1_000
_SURE_LENGTH: Final = 4
_VERY_SURE_LENGTH: Final = 8


@value(frozen=True, slots=True, kw_only=True)
class KeyAction:
    """One possible action on a key: rename, keep or drop."""

    key: str
    cost: float
    target: str | None
    """New name; None where the key is dropped."""
    fit: Fit = SAME
    is_guess: bool = False
    """Whether the names differ by more than casing and separators."""

    @property
    def total(self) -> float:
        """Total cost, with that of its value."""
        return self.cost + self.fit.cost


@value(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """The chosen actions for all undeclared keys."""

    ways: tuple[KeyAction, ...]
    gap: float = INFINITE


class UndeclaredKeys:
    """Chooses the actions for the undeclared keys of one object."""

    def __init__(
        self, fitter: Fitter, members: dict[str, Json], shape: CompiledSchema, guard: Guard, undeclared: list[str]
    ) -> None:
        self._fitter = fitter
        self._shapes = fitter.shapes
        self._members = members
        self._shape = shape
        self._guard = guard
        self._undeclared = undeclared
        absent = sum(name not in members for name in shape.declared)
        self._too_many = len(undeclared) > _MAX_UNDECLARED or len(undeclared) * absent > _MAX_PAIRS
        self._is_map = any(isinstance(part.get("additionalProperties"), dict) for part in shape.parts)

    def settle(self) -> KeyPlan | Miss:
        """Return the cheapest combination of actions, or why there is none."""
        done: list[KeyAction] = []
        ways: dict[str, list[KeyAction]] = {}
        for key in self._undeclared:
            renames = list(self._renames(key))
            others = self._other_actions(key, renames)
            if isinstance(others, Miss):
                return others
            if renames:
                ways[key] = [*renames, *others]
            else:
                done += others
        targets = Counter(way.target for one in ways.values() for way in one)
        for key in [key for key, one in ways.items() if len(one) == 1 and targets[one[0].target] == 1]:
            done += ways.pop(key)
        gap = INFINITE
        for group in _groups(ways):
            best = self._choose_combination([ways[key] for key in group])
            if isinstance(best, Miss):
                return best
            done += best.ways
            gap = min(gap, best.gap)
        return KeyPlan(ways=tuple(done), gap=gap)

    def _child(self, name: str, value: Json) -> Fit | Miss:
        return self._fitter.fit(value, self._shapes.child(self._shape, name), below(self._guard, name))

    def _is_closed_to(self, key: str) -> bool:
        return self._shapes.child(self._shape, key).never

    # ---- renaming

    def _renames(self, key: str) -> Iterator[KeyAction]:
        value = self._members[key]
        for target, far in self._candidates(key):
            if far and (below(self._guard, key) or below(self._guard, target)):
                continue
            fit: Fit | Miss | None = self._child(target, value)
            if isinstance(fit, Miss) and value is None:
                fit = in_place_of_null(self._fitter, self._shape, self._guard, target)
            if isinstance(fit, Fit):
                cost = MISSPELT + SLIP * far if far else RECASE
                yield KeyAction(key=key, cost=cost, target=target, fit=fit, is_guess=far > 0)

    def _candidates(self, key: str) -> Iterator[tuple[str, int]]:
        """Yield the absent properties that a key may stand for, each with the edit distance."""
        exact = [name for name in self._shape.by_plain_name.get(plain(key), ()) if name not in self._members]
        yield from ((name, 0) for name in exact if is_recased(key, name) and not self._is_closed_to(name))
        if exact or self._too_many:
            return
        absent = [name for name, _ in self._nearest_names(key) if name not in self._members]
        found = [(name, slips(key, name)) for name in absent]
        if any(far is None for _, far in found):  # it may be another word, and not one of the others misspelt
            return
        for name, far in found:
            if far and self._is_sure(key, name, far) and not self._has_a_rival(key, name):
                yield name, far

    def _has_a_rival(self, key: str, name: str) -> bool:
        """Return whether another key may be meant for a name, too, though it is no slip for it."""
        return any(other != key and may_mean(other, name) and slips(other, name) is None for other in self._undeclared)

    def _nearest_names(self, key: str) -> list[tuple[str, int]]:
        """Return the declared names nearest to a key; one already present counts, so that no farther one is taken."""
        known = self._shape.slipped.get(key)
        if known is None:
            far = ((name, near(key, name)) for name in self._shape.declared)
            found = [(name, count) for name, count in far if count is not None]
            least = min((count for _, count in found), default=0)
            known = [(name, count) for name, count in found if count == least]
            if len(self._shape.slipped) < _MAX_CACHED:
                self._shape.slipped[key] = known
        return known

    def _is_sure(self, key: str, name: str, far: int) -> bool:
        if name in self._shape.required:
            return True
        if self._is_closed_to(key):
            return len(plain(name)) > 2  # noqa: PLR2004 - one letter of two is half of the name
        # Where undeclared keys are allowed, the key is more likely meant as it is.
        return not self._is_map and len(plain(name)) >= (_SURE_LENGTH if far == 1 else _VERY_SURE_LENGTH)

    # ---- keeping or dropping

    def _other_actions(self, key: str, renames: list[KeyAction]) -> list[KeyAction] | Miss:
        """Return the actions on a key other than renaming, or why there is none."""
        if self._is_closed_to(key):
            return [] if renames else self._drop(key)
        fit = self._child(key, self._members[key])
        if isinstance(fit, Miss):
            return [] if renames else fit.under(key)
        if any(not way.is_guess for way in renames):
            return []
        if not renames and (meant := self._misfit(key)) is not None:
            return meant
        # The content of an object or a list supports the name; a text or a number fits many names.
        inner = isinstance(self._members[key], dict | list)
        stay = min((way.total if inner and way.fit.rank == 0 else way.cost for way in renames), default=-STAY) + STAY
        return [KeyAction(key=key, cost=stay, target=key, fit=fit)]

    def _misfit(self, key: str) -> Miss | None:
        """Return why the value does not fit the property that the key surely stands for; None if none is sure."""
        for name, far in self._candidates(key):
            if name in self._shape.required or (far == 0 and self._members[key] is not None):
                fit = self._child(name, self._members[key])
                if isinstance(fit, Miss):
                    return fit.under(key)
                return Miss(
                    cause=RefusalCause.GUARDED, what="misspelt, and only lossless edits may touch it", at=(key,)
                )
        return None

    def _drop(self, key: str) -> list[KeyAction] | Miss:
        value = self._members[key]
        if below(self._guard, key):
            return Miss(cause=RefusalCause.GUARDED, what="may not stand here, and may not be dropped", at=(key,))
        if len(self._undeclared) > _MAX_UNDECLARED:
            return Miss(cause=RefusalCause.FORBIDDEN_KEY, what=f"{len(self._undeclared)} keys that may not stand here")
        doubt = self._doubt_of_dropping(key, value)
        if doubt is not None:
            return Miss(cause=RefusalCause.AMBIGUOUS, what=f"may not stand here, and {doubt}", at=(key,))
        return [KeyAction(key=key, cost=DROP_NULL if value is None else DROP, target=None)]

    def _doubt_of_dropping(self, key: str, value: Json) -> str | None:
        if (meaning := self._meaning_of(key, value)) is not None:
            return meaning
        if self._shapes.nearly_matches_a_pattern(self._shape, key):
            return "is a slip away from a name that may"
        if isinstance(value, dict | list | str) and self._fitter.speaks_of(value, self._shape):
            return "holds what is declared here"
        meant = self._intended_property(key, value)
        return None if meant is None else f"may be meant for {meant[:64]!r}"

    def _meaning_of(self, key: str, value: Json) -> str | None:
        """Return what a key says of the other ones, which would mean something else without it."""
        if value is not None and says_the_measure(key, value):
            return "says in what the rest is measured"
        if any(is_measured(key, name) for name in self._shape.declared):
            return "is of a unit or currency of its own"
        if qualifies(key, value):
            return "says how the rest is to be read, or that it does not hold"
        return "says that it failed" if reports_failure({key: value}) else None

    def _intended_property(self, key: str, value: Json) -> str | None:
        """Return the property that a key may be meant for, which prevents dropping it; None where there is none."""
        for name, _ in self._candidates(key):
            return name
        for name in self._shape.declared:
            if name in self._members:
                if _are_rivals(key, name) and not same(value, self._members[name]):
                    return name
            elif differs_in_meaning(key, name) or (
                (may_mean(key, name) or related(key, name)) and self._fits(name, value)
            ):
                return name
        return None

    def _fits(self, name: str, value: Json) -> bool:
        return isinstance(self._fitter.fit(value, self._shapes.child(self._shape, name)), Fit)

    # ---- keys that compete for one name

    def _choose_combination(self, ways: list[list[KeyAction]]) -> KeyPlan | Miss:
        """Choose the cheapest combination for keys that compete for the same properties."""
        key = ways[0][0].key
        rivals = Miss(cause=RefusalCause.AMBIGUOUS, what="more than one key may stand for one property", at=(key,))
        if prod(len(one) for one in ways) > _MAX_COMBINATIONS:
            return rivals
        needed = {way.target: self._price_without(way.target) for one in ways for way in one if way.target}
        found = [(_price(chosen, needed), chosen) for chosen in product(*ways) if _is_possible(chosen)]
        if not found:
            return rivals
        found.sort(key=lambda one: one[0])
        price, chosen = found[0]
        if price == INFINITE:
            return Miss(cause=RefusalCause.MISSING_REQUIRED, what="a required member is missing beside it", at=(key,))
        return KeyPlan(ways=chosen, gap=found[1][0] - price if len(found) > 1 else INFINITE)

    def _price_without(self, name: str) -> float:
        if name in self._members or name not in self._shape.required:
            return 0
        return INFINITE if isinstance(filling(self._fitter, self._shape, self._guard, name), Miss) else FILL


def _are_rivals(key: str, name: str) -> bool:
    far, length = near(key, name), len(plain(name))
    # Three letters more are a separate word: `amount_old` is no misspelt `amount`.
    return far == 0 or (far == 1 and length >= _SURE_LENGTH) or (far == 2 and length >= _VERY_SURE_LENGTH)  # noqa: PLR2004


def _price(chosen: tuple[KeyAction, ...], needed: dict[str, float]) -> float:
    taken = {way.target for way in chosen}
    return sum(way.total for way in chosen) + sum(cost for name, cost in needed.items() if name not in taken)


def _is_possible(chosen: tuple[KeyAction, ...]) -> bool:
    targets = [way.target for way in chosen if way.target is not None]
    return len(targets) == len(set(targets))


def _groups(ways: dict[str, list[KeyAction]]) -> Iterator[list[str]]:
    """Partition the keys so that no two groups compete for the same property."""
    groups: list[tuple[set[str], list[str]]] = []
    for key, one in ways.items():
        targets = {way.target for way in one if way.target is not None}
        keys = [key]
        apart: list[tuple[set[str], list[str]]] = []
        for group in groups:
            if group[0] & targets:
                targets |= group[0]
                keys = group[1] + keys
            else:
                apart.append(group)
        groups = [*apart, (targets, keys)]
    yield from (keys for _, keys in groups)
