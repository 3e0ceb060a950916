"""Fits one object: each member fits, is renamed, is dropped, or is filled in from a default. Pure."""

from dataclasses import replace
from typing import Final

from consumer.repair.compiled_schema import CompiledSchema
from consumer.repair.fit import INFINITE, SAME, Fit, Fitter, Miss, Step
from consumer.repair.key_names import may_mean
from consumer.repair.lossless_fields import Guard, below
from consumer.repair.schema_defaults import filling, in_place_of_null
from consumer.repair.undeclared_keys import DROP_NULL, KeyAction, UndeclaredKeys
from consumer.repair.values import RANK, Json, RefusalCause
from schemas.names import Grade

_MAX_PAIRS: Final = 5_000


class Members:
    """Fits the members of one object to its schema."""

    def __init__(self, fitter: Fitter, members: dict[str, Json], shape: CompiledSchema, guard: Guard) -> None:
        self._fitter = fitter
        self._shapes = fitter.shapes
        self._members = members
        self._shape = shape
        self._guard = guard
        self._steps: list[Step] = []
        self._below: list[tuple[str, Fit]] = []
        self._new_names: dict[str, str | None] = {}
        self._added: dict[str, Json] = {}
        self._cost = 0.0
        self._gap = INFINITE
        self._lost_content = False

    def fit(self) -> Fit | Miss:
        """Return the cheapest object that fits, or why none does."""
        undeclared = [key for key in self._members if key not in self._shape.declared]
        if undeclared and self._stands():
            return self._result()
        if undeclared:
            missed = self._resolve_undeclared(
                [key for key in undeclared if not self._shapes.matches_a_pattern(self._shape, key)]
            )
            if missed is not None:
                return missed
        for key, value in self._members.items():
            if key not in self._new_names and (missed := self._member(key, value)) is not None:
                return missed
        missed = self._fill()
        return self._result() if missed is None else missed

    def _stands(self) -> bool:
        """Return whether nothing has to be changed here: what may stand is left as it came, whatever it resembles."""
        return all(name in self._members for name in self._required_names()) and all(
            self._fitter.fit(value, self._shapes.child(self._shape, key)) is SAME
            for key, value in self._members.items()
        )

    def _result(self) -> Fit | Miss:
        changed = self._steps or self._below
        members = self._build_members() if changed else self._members
        if self._lost_content and all(self._name_of(key) is None for key in self._members):
            return Miss(cause=RefusalCause.FORBIDDEN_KEY, what="nothing of it may stand here")
        fault = self._shape.leaf.size_fault(members)
        if fault is not None:
            return Miss(cause=fault, what="too many or too few members")
        if not changed:
            return SAME
        ranks = [RANK[step.grade] for step in self._steps] + [fit.rank for _, fit in self._below]
        return Fit(
            cost=self._cost,
            value=members,
            gap=self._gap,
            steps=tuple(self._steps),
            below=tuple(self._below),
            rank=max(ranks),
        )

    def _build_members(self) -> dict[str, Json]:
        members: dict[str, Json] = {}
        for key, value in self._members.items():
            name = self._name_of(key)
            if name is not None:
                members[name] = value
        members |= self._added
        members |= {key: fit.value for key, fit in self._below}
        return members

    def _name_of(self, key: str) -> str | None:
        return self._new_names.get(key, key)

    # ---- declared members

    def _member(self, key: str, value: Json) -> Miss | None:
        guard = below(self._guard, key) if self._guard else self._guard
        fit = self._fitter.fit(value, self._shapes.child(self._shape, key), guard)
        if fit is SAME:
            return None
        if isinstance(fit, Fit):
            self._apply_fit(key, fit)
            return None
        if value is None and key in self._shape.declared:
            return self._replace_null(key, fit)
        return fit.under(key)

    def _apply_fit(self, key: str, fit: Fit) -> None:
        self._below.append((key, fit))
        self._cost += fit.cost
        self._gap = min(self._gap, fit.gap)

    def _replace_null(self, key: str, missed: Miss) -> Miss | None:
        default = in_place_of_null(self._fitter, self._shape, self._guard, key)
        if isinstance(default, Miss):
            return default
        if isinstance(default, Fit):
            self._apply_fit(key, default)
            return None
        if key in self._required_names():
            return missed.under(key)
        if below(self._guard, key):
            return Miss(cause=RefusalCause.GUARDED, what="null, and only lossless edits may touch it", at=(key,))
        self._drop(key, DROP_NULL, "null where the schema allows none, and demands nothing")
        return None

    def _drop(self, key: str, cost: float, reason: str) -> None:
        old = self._members[key]
        whole = self._shape is self._shapes.root
        self._lost_content = self._lost_content or (
            old is not None if whole else isinstance(old, dict | list) and bool(old)
        )
        self._steps.append(Step(op="remove", at=(key,), old=old, grade=Grade.LOSSY, kind="dropped", reason=reason))
        self._cost += cost
        self._new_names[key] = None

    # ---- undeclared keys

    def _resolve_undeclared(self, undeclared: list[str]) -> Miss | None:
        settled = UndeclaredKeys(self._fitter, self._members, self._shape, self._guard, undeclared).settle()
        if isinstance(settled, Miss):
            return settled
        self._gap = min(self._gap, settled.gap)
        for way in settled.ways:
            self._apply_action(way)
        return None

    def _apply_action(self, way: KeyAction) -> None:
        if way.target is None:
            self._drop(way.key, way.cost, "a key that may not stand here")
            return
        self._cost += way.cost
        if way.target != way.key:
            kind, reason = ("misspelt", "a misspelt name") if way.is_guess else ("recased", "a name in another casing")
            self._steps.append(Step(op="move", at=(way.target,), origin=(way.key,), kind=kind, reason=reason))
        self._new_names[way.key] = way.target
        if way.fit is not SAME:
            self._apply_fit(way.target, way.fit)

    # ---- missing members

    def _required_names(self) -> dict[str, None]:
        present = {self._name_of(key) for key in self._members}
        needed = dict(self._shape.required)
        for part in self._shape.parts:
            for word in ("dependentRequired", "dependencies"):
                for name, others in part.get(word, {}).items():
                    if name in present and isinstance(others, list):
                        needed |= dict.fromkeys(others)
        return needed

    def _is_recognised(self) -> bool:
        """Return whether this is the object that the schema means: defaults are filled into no other."""
        kept = {key: name for key in self._members if (name := self._name_of(key)) is not None}
        undeclared = (self._members[key] for key, name in kept.items() if name not in self._shape.declared)
        return any(name in self._shape.declared for name in kept.values()) and not any(
            isinstance(value, dict | list | str) and self._fitter.speaks_of(value, self._shape) for value in undeclared
        )

    def _loose_names(self) -> list[str]:
        """Return the undeclared keys that stay or are dropped, each of which may be meant for a missing member."""
        loose = [key for key in self._members if key not in self._shape.declared and self._name_of(key) in {key, None}]
        return loose if len(loose) * len(self._shape.required) <= _MAX_PAIRS else []

    def _fill(self) -> Miss | None:
        present = {self._name_of(key) for key in self._members}
        for key in self._required_names():
            if key in present:
                continue
            meant = next((name for name in self._loose_names() if may_mean(name, key)), None)
            if meant is not None:
                what = f"is missing, and {meant[:64]!r} may be meant for it, or something else"
                return Miss(cause=RefusalCause.AMBIGUOUS, what=what, at=(key,))
            fit = filling(self._fitter, self._shape, self._guard, key)
            if isinstance(fit, Miss):
                return fit
            if self._members and not self._is_recognised():
                return Miss(
                    cause=RefusalCause.MISSING_REQUIRED, what="is missing, and so is all that would tell", at=(key,)
                )
            self._steps += [replace(step, at=(key,)) for step in fit.steps]
            self._added[key] = fit.value
            self._cost += fit.cost
        return None
