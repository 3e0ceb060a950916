"""The search: walks schema and document together, finds the cheapest fitting value at each place. Pure and bounded."""

from collections.abc import Iterable, Iterator
from typing import Final

from consumer.repair import conversions
from consumer.repair.compiled_schema import CompiledSchema, SchemaCompiler, StepLimitExceeded
from consumer.repair.conversions import Conversion
from consumer.repair.fit import INFINITE, MARGIN, SAME, Fit, Miss, after, cheapest, more_telling
from consumer.repair.key_names import near, plain
from consumer.repair.leaf_rules import is_of_one_kind
from consumer.repair.lossless_fields import FREE, Guard, below, is_allowed
from consumer.repair.object_members import Members
from consumer.repair.scalar_forms import looks_like_an_id
from consumer.repair.string_reader import ParseError
from consumer.repair.validator import SchemaValidator
from consumer.repair.values import Json, RefusalCause

MAX_STEPS: Final = 1_200_000
"""Step limit: places visited; each takes some microseconds."""
_MAX_NAMES: Final = 500
_MAX_LISTED: Final = 50
_MAX_HOPS: Final = 8
"""Maximum conversions chained at one place: an envelope, in a list, in a string."""
_WORDS: Final = {
    RefusalCause.WRONG_TYPE: "of another type than the schema wants",
    RefusalCause.UNKNOWN_VALUE: "none of the listed values",
    RefusalCause.OUT_OF_RANGE: "beyond a limit of the schema",
    RefusalCause.BAD_FORMAT: "not of the demanded form",
}
_LIMITS: Final = frozenset({RefusalCause.OUT_OF_RANGE, RefusalCause.BAD_FORMAT})
_NEVER: Final = Miss(cause=RefusalCause.INVALID, what="the schema allows nothing here")
_HIDDEN: Final = Miss(cause=RefusalCause.INVALID, what="breaks a rule of the schema")


class Search:
    """Fits one document to one schema."""

    def __init__(self, shapes: SchemaCompiler, judge: SchemaValidator) -> None:
        self.shapes = shapes
        self.judge = judge
        self._steps_left = MAX_STEPS
        self._cache: dict[tuple[int, int, int, Guard], Fit | Miss] = {}
        self._keep_alive: list[Json] = []
        self._names: dict[int, frozenset[str]] = {}
        self._family: dict[int, CompiledSchema] = {}
        """For each branch of alternatives, the schema with all its branches."""

    def fit(self, value: Json, shape: CompiledSchema, guard: Guard = FREE, hops: int = 0) -> Fit | Miss:
        """Return the cheapest value that fits, or why none does."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise StepLimitExceeded
        if shape.never:
            return _NEVER
        if not shape.choices and not isinstance(value, dict | list) and not shape.opaque:
            fault = shape.leaf.fault(value)
            if fault is None:
                return SAME
            return self._try_conversions(value, shape, guard, hops, Miss(cause=fault, what=_WORDS[fault]))
        key = (id(value), shape.number, hops, guard)
        found = self._cache.get(key)
        if found is None:
            found = (
                self._fit_alternatives(value, shape, guard, hops)
                if shape.choices
                else self._fit_plain(value, shape, guard, hops)
            )
            self._cache[key] = found
            # The cache key is an object's address: the object must stay alive, or another could get the same address.
            self._keep_alive.append(value)
        return found

    def passes(self, value: Json, shape: CompiledSchema) -> bool:
        """Return whether the value passes the keywords that only the validator implements."""
        return all(self.judge.accepts(value, part) for part in shape.opaque)

    def names(self, shape: CompiledSchema, deep: int = 3) -> frozenset[str]:
        """Return the canonical names of the members declared here, in any branch."""
        found = self._names.get(shape.number)
        if found is None:
            names = set(shape.by_plain_name)
            if shape.choices and deep:
                for branch in self.shapes.alternatives(shape):
                    names |= self.names(branch, deep - 1)
            found = self._names[shape.number] = frozenset(names)
        return found

    def speaks_of(self, value: Json, shape: CompiledSchema) -> bool:
        """Return whether a value contains members that are declared here, or is a text of them."""
        names = self.names(self._family.get(shape.number, shape))
        return bool(names) and conversions.speaks_of(value, names)

    def _fit_alternatives(self, value: Json, shape: CompiledSchema, guard: Guard, hops: int) -> Fit | Miss:
        found: list[tuple[Fit, Json]] = []
        missed: Miss | None = None
        rule = shape.choices[0].rule
        for branch in self.shapes.alternatives(shape):
            self._family[branch.number] = self._family.get(shape.number, shape)
            fit = self.fit(value, branch, guard, hops)
            if fit is SAME:
                return SAME
            if isinstance(fit, Miss):
                missed = fit if missed is None else more_telling(missed, fit)
            elif rule is None or self.judge.accepts(fit.value, rule):
                found.append((fit, fit.value))
        return cheapest(found) if found else missed or _HIDDEN

    def _fit_plain(self, value: Json, shape: CompiledSchema, guard: Guard, hops: int) -> Fit | Miss:
        direct = self._fit_direct(value, shape, guard)
        return direct if direct is SAME else self._try_conversions(value, shape, guard, hops, direct)

    def _fit_direct(self, value: Json, shape: CompiledSchema, guard: Guard) -> Fit | Miss:
        fault = shape.leaf.fault(value)
        if fault is not None:
            return Miss(cause=fault, what=_WORDS[fault])
        match value:
            case dict():
                fit = Members(self, value, shape, guard).fit()
            case list():
                fit = self._fit_items(value, shape, guard)
            case _:
                fit = SAME
        if shape.opaque and isinstance(fit, Fit) and not self.passes(value if fit is SAME else fit.value, shape):
            return _HIDDEN
        return fit

    def _fit_items(self, items: list[Json], shape: CompiledSchema, guard: Guard) -> Fit | Miss:
        fault = shape.leaf.size_fault(items)
        if fault is not None:
            return Miss(cause=fault, what="too many or too few items")
        found: list[tuple[int, Fit]] = []
        cost, gap, rank = 0.0, INFINITE, 0
        for index, item in enumerate(items):
            within = below(guard, str(index)) if guard else guard
            fit = self.fit(item, self.shapes.item(shape, index), within)
            if fit is SAME:
                continue
            if isinstance(fit, Miss):
                return fit.under(str(index))
            found.append((index, fit))
            cost, gap, rank = cost + fit.cost, min(gap, fit.gap), max(rank, fit.rank)
        if not found:
            return SAME
        repaired = list(items)
        for index, fit in found:
            repaired[index] = fit.value
        return Fit(cost=cost, value=repaired, gap=gap, below=tuple(found), rank=rank)

    def _try_conversions(
        self, value: Json, shape: CompiledSchema, guard: Guard, hops: int, direct: Fit | Miss
    ) -> Fit | Miss:
        """Try conversions of the value, where they cost no more than what fits already."""
        found = [(direct, direct.value)] if isinstance(direct, Fit) else []
        if hops >= _MAX_HOPS:
            return direct
        bound = direct.cost + MARGIN if isinstance(direct, Fit) else INFINITE
        bound_to_kind = self._breaks_a_limit(value, self._family.get(shape.number, shape))
        missed = direct if isinstance(direct, Miss) else _HIDDEN
        try:
            for conversion in self._conversions(value, shape):
                if conversion.cost > bound or (bound_to_kind and not is_of_one_kind(value, conversion.value)):
                    continue
                if conversion.step.kind == "truth_value" and self._may_be_a_text(value, shape):
                    continue
                if conversion.step.kind == "put_in_list" and self._is_listed_elsewhere(value, shape):
                    continue
                if not is_allowed(conversion.step.grade, conversion.gives_up, guard):
                    missed = more_telling(
                        missed, Miss(cause=RefusalCause.GUARDED, what="only lossless edits may touch it")
                    )
                    continue
                fit = self.fit(conversion.value, shape, guard, hops + 1)
                if isinstance(fit, Miss):
                    missed = more_telling(missed, fit)
                    continue
                reached = after(conversion.step, fit, conversion.cost)
                found.append((reached, reached.value))
        except ParseError as unread:
            missed = Miss(cause=unread.cause, what=unread.reason)
        if not found and isinstance(value, str) and _is_an_id(value, shape):
            return Miss(cause=RefusalCause.AMBIGUOUS, what="digits with leading zeros: an id, or a number")
        return cheapest(found) if found else missed

    def _breaks_a_limit(self, value: Json, shape: CompiledSchema, deep: int = 3) -> bool:
        """Return whether a value is of an allowed type, in any branch, and breaks a limit: no other type evades it."""
        if shape.choices and deep:
            return any(self._breaks_a_limit(value, branch, deep - 1) for branch in self.shapes.alternatives(shape))
        fault = shape.leaf.fault(value)
        if fault in _LIMITS:
            return True
        if fault is not None:
            return False
        if shape.opaque and not self.passes(value, shape):
            return True
        return isinstance(value, list | dict) and shape.leaf.size_fault(value) is not None

    def _is_listed_elsewhere(self, value: Json, shape: CompiledSchema) -> bool:
        """Return whether some branch lists values of this one's type: then a list of this one evades the list."""
        whole = self._family.get(shape.number, shape)
        branches = self.shapes.alternatives(whole) if whole.choices else ()
        return any(one.leaf.members is not None and one.leaf.may_be(value) for one in branches)

    def _may_be_a_text(self, value: Json, shape: CompiledSchema) -> bool:
        """Return whether a word for true or false may be meant as a text: some branch has texts."""
        whole = self._family.get(shape.number, shape)
        branches = self.shapes.alternatives(whole) if whole.choices else ()
        has_texts = any("string" in one.types for one in (shape, *branches))
        return isinstance(value, str) and has_texts and value.strip().lower() not in {"true", "false"}

    def _conversions(self, value: Json, shape: CompiledSchema) -> Iterable[Conversion]:
        leaf = shape.leaf
        match value:
            case bool():
                return conversions.of_any(value, leaf)
            case str():
                return conversions.of_text(value, leaf)
            case int() | float():
                return conversions.of_number(value, leaf)
            case list():
                return self._list_conversions(value, shape)
            case dict():
                return self._object_conversions(value, shape)
            case _:
                return ()

    def _list_conversions(self, value: list[Json], shape: CompiledSchema) -> Iterator[Conversion]:
        nested = shape is self.shapes.root or "array" not in self.shapes.item(shape, 0).types
        yield from conversions.of_list(value, shape.leaf, nested=nested)
        holder = self._only_list(shape)
        if holder is not None and all(self._is_item(item, shape, holder) for item in value):
            yield conversions.put_in_object(value, holder)

    def _only_list(self, shape: CompiledSchema) -> str | None:
        """Return the member that a bare list is surely meant for: no other is demanded, and no other is a list."""
        if "object" not in shape.types or "array" in shape.types or shape.choices or len(shape.declared) > _MAX_LISTED:
            return None
        lists = [name for name in shape.declared if "array" in self.shapes.child(shape, name).types]
        return lists[0] if len(lists) == 1 and list(shape.required) in ([], lists) else None

    def _is_item(self, item: Json, shape: CompiledSchema, holder: str) -> bool:
        """Return whether an item of a bare list is one by its own members, and not an envelope or the whole object."""
        names = self.names(self.shapes.item(self.shapes.child(shape, holder), 0))
        if isinstance(item, dict):
            return any(plain(key) in names for key in item) and not any(plain(key) == plain(holder) for key in item)
        return not isinstance(item, list)

    def _object_conversions(self, value: dict[str, Json], shape: CompiledSchema) -> Iterator[Conversion]:
        for conversion in conversions.of_object(value, shape.leaf, self.names(self._family.get(shape.number, shape))):
            (kept,) = conversion.step.origin or ("",)
            inside = conversions.names_inside(conversion.value)
            # A key declared here is no envelope; a key beside the envelope may exist within it too.
            beside = [name for name in conversion.gives_up if plain(name) not in inside]
            if plain(kept) in self.names(self._family.get(shape.number, shape)) and plain(kept) not in inside:
                continue
            if not any(self._is_declared_member(name, value[name], shape) for name in (kept, *beside) if name in value):
                yield conversion
        names = self.names(self.shapes.item(shape, 0)) if "array" in shape.types else frozenset()
        if "array" in shape.types and (not names or conversions.speaks_of(value, names, 0)):
            yield from conversions.of_any(value, shape.leaf)

    def _is_declared_member(self, name: str, value: Json, shape: CompiledSchema) -> bool:
        """Return whether a member may well be one that is declared here, in any branch."""
        kin = self._family.get(shape.number, shape)
        return any(
            isinstance(self.fit(value, self.shapes.child(one, declared)), Fit)
            for one in (kin, *(self.shapes.alternatives(kin) if kin.choices else ()))
            for declared in self._declared_names(name, one)
        )

    def _declared_names(self, name: str, shape: CompiledSchema) -> Iterator[str]:
        yield from shape.by_plain_name.get(plain(name), ())
        if len(shape.declared) <= _MAX_NAMES:
            yield from (declared for declared in shape.declared if near(name, declared))


def _is_an_id(value: str, shape: CompiledSchema) -> bool:
    """Return whether the value is digits with leading zeros where a number is wanted."""
    return not shape.types.isdisjoint({"integer", "number"}) and looks_like_an_id(value)
