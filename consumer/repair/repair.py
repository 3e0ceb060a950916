"""Entry point of the repair: parse a document, fit it to its schema at the least cost, validate. Pure, never raises."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import orjson

from consumer.repair.compiled_schema import SchemaCompiler, StepLimitExceeded
from consumer.repair.fit import MARGIN, SAME, Fit, Miss
from consumer.repair.lossless_fields import Guard
from consumer.repair.prepared_schema import prepared
from consumer.repair.readings import BRACKETS_TOO_MANY, ONE_A_LINE, ParsedText, readings, within
from consumer.repair.search import Search
from consumer.repair.slip_notes import recased_throughout, slip_notes
from consumer.repair.string_reader import ParseError
from consumer.repair.validator import SchemaValidator, UnusableSchema
from consumer.repair.values import RANK, Edit, Json, RefusalCause, Repair, RepairStatus, SlipNote, refused
from schemas.json_value import steps_of
from schemas.names import Grade

_MAX_SCHEMAS: Final = 32
_LOSSLESS: Final = RANK[Grade.LOSSLESS]
_MANY_RECASED: Final = 2
"""Keys in another casing from which on it is the casing of the whole document."""
_MAX_LAYERS: Final = 4
"""Maximum levels of JSON strings nested within each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """A document parsed from the text, with its fit."""

    reading: ParsedText
    fit: Fit


class _Schema:
    """A schema prepared for use: its validator, and its compiled form, which a valid document does without."""

    def __init__(self, schema: object) -> None:
        self._schema = prepared(schema)
        self.judge = SchemaValidator(self._schema)

    @cached_property
    def shapes(self) -> SchemaCompiler:
        return SchemaCompiler(self._schema)

    @cached_property
    def demands_list(self) -> bool:
        """Whether nothing but a list is valid."""
        return self.shapes.root.types == {"array"}

    @cached_property
    def demands_members(self) -> bool:
        """Whether an object without some members, such as the inner end of a larger one, is not valid."""
        root = self.shapes.root
        branches = self.shapes.alternatives(root) if root.choices else ()
        return bool(root.required) or (bool(branches) and all(branch.required for branch in branches))


_schema_cache: Final[OrderedDict[bytes, _Schema]] = OrderedDict()


def repair_text(text: str, schema: Json, *, most: Grade, guarded: tuple[str, ...] = ()) -> Repair:
    """Repair a document in raw text, which may not even be JSON; edits of a grade above `most` are not made.

    `guarded` are RFC 6901 pointers, `*` for any member: there, and below, only lossless edits are made, and no key is
    dropped or guessed. All edits of the text are recorded as one: the text, as a JSON string, is replaced by the
    document that it holds.
    """
    return _repair(text, None, schema, most, guarded)


def repair_document(document: Json, schema: Json, *, most: Grade, guarded: tuple[str, ...] = ()) -> Repair:
    """Repair a document that is parsed already; see `repair_text`."""
    return _repair(None, document, schema, most, guarded)


def _repair(text: str | None, document: Json, schema: Json, most: Grade, guarded: tuple[str, ...]) -> Repair:
    try:
        ready = _compile_schema(schema)
        found = [ParsedText(document=document)] if text is None else readings(text)
        return _RepairRun(ready, text, most, tuple(steps_of(path) for path in guarded)).of(found)
    except ParseError as unread:
        return refused(unread.cause, unread.reason)
    except UnusableSchema as unusable:
        return refused(RefusalCause.UNUSABLE_SCHEMA, f"the schema is unusable: {unusable}")
    except StepLimitExceeded:
        return refused(RefusalCause.TOOK_TOO_LONG, "more steps than a repair may take")
    except RecursionError:
        return refused(RefusalCause.TOO_DEEP, "the document or its schema is nested too deeply")


def _compile_schema(schema: Json) -> _Schema:
    try:
        key = orjson.dumps(schema)
    except (TypeError, ValueError):  # beyond 64 bits, or a lone surrogate: compiled anew each time, without the cache
        return _Schema(schema)
    found = _schema_cache.get(key)
    if found is None:
        found = _schema_cache[key] = _Schema(deepcopy(schema))
        if len(_schema_cache) > _MAX_SCHEMAS:
            _schema_cache.popitem(last=False)
    return found


class _RepairRun:
    """The repair of one text or document."""

    def __init__(self, schema: _Schema, text: str | None, most: Grade, guard: Guard) -> None:
        self._schema = schema
        self._text = text
        self._most = most
        self._guard = guard

    def of(self, found: Sequence[ParsedText], depth: int = 0) -> Repair:
        """Judge every candidate document; fit those that are not valid, and choose among those that fit."""
        fitted: list[_Fitted] = []
        missed: list[tuple[ParsedText, tuple[RefusalCause, str]]] = []
        for reading in self._possible(found):
            fault = self._schema.judge.fault(reading.document)
            if fault is None:
                fitted.append(_Fitted(reading=reading, fit=SAME))
                continue
            shapes = self._schema.shapes
            fit = Search(shapes, self._schema.judge).fit(reading.document, shapes.root, self._guard)
            if isinstance(fit, Miss):
                missed.append((reading, (fit.cause, fit.reason)))
            elif fit is SAME:
                missed.append((reading, fault))
            else:
                fitted.append(_Fitted(reading=reading, fit=fit))
        if fitted:
            return self._choose(fitted)
        return self._try_nested(*missed[0], depth) if len(missed) == 1 else refused(*missed[0][1])

    def _possible(self, found: Sequence[ParsedText]) -> Sequence[ParsedText]:
        """Leave out what only the schema tells to be none: a list of the documents, or the end of a larger document."""
        if found[-1].notes[ONE_A_LINE]:
            found = found[-1:] if self._schema.demands_list else found[:-1]
        if found[0].notes[BRACKETS_TOO_MANY] and not self._schema.demands_members:
            raise ParseError(RefusalCause.TRUNCATED, "more brackets are closed than opened: its beginning may be lost")
        return found

    def _try_nested(self, outer: ParsedText, fault: tuple[RefusalCause, str], depth: int) -> Repair:
        """Parse a document that is one string: it may hold the intended text."""
        text = outer.document
        if not isinstance(text, str) or fault[0] is not RefusalCause.WRONG_TYPE or depth == _MAX_LAYERS:
            return refused(*fault)
        try:
            inner = [within(outer, one) for one in readings(text)]
        except ParseError as unread:
            if unread.cause is RefusalCause.NOT_JSON:
                return refused(*fault)
            raise
        return self.of(inner, depth + 1)

    def _choose(self, fitted: list[_Fitted]) -> Repair:
        likely = [one for one in fitted if one.fit.rank == _LOSSLESS] or fitted
        if len(likely) > 1:
            return refused(RefusalCause.AMBIGUOUS, "the text holds more than one document that fits")
        one, fit = likely[0], likely[0].fit
        if fit is SAME:
            return self._accept(one.reading, one.reading.document, ())
        doubt = self._objection(one)
        if doubt is not None:
            return refused(*doubt)
        fault = self._schema.judge.fault(fit.value)
        if fault is not None:
            return refused(*fault)
        edits = tuple(fit.edits())
        if sum(edit.kind == "recased" for edit in edits) >= _MANY_RECASED:
            document, more = recased_throughout(fit.value, self._schema.shapes)
            if self._schema.judge.fault(document) is None:
                return self._accept(one.reading, document, edits + more)
        return self._accept(one.reading, fit.value, edits)

    def _objection(self, one: _Fitted) -> tuple[RefusalCause, str] | None:
        """Return why the cheapest fitting document is not accepted; None where it is."""
        fit = one.fit
        if fit.gap <= MARGIN:
            return RefusalCause.AMBIGUOUS, f"two readings of {_place_of_gap(fit)} are as likely"
        if one.reading.document in ({}, []):
            return RefusalCause.MISSING_REQUIRED, "there is nothing in it to be repaired"
        if fit.rank > RANK[self._most]:
            dear = next(edit for edit in fit.edits() if RANK[edit.grade] > RANK[self._most])
            what = f"would take a repair of grade {fit.grade.value}: {dear.op} {dear.path[:160] or 'the document'}"
            return RefusalCause.NEEDS_MORE, f"{what} ({dear.reason})"
        return None

    def _accept(self, reading: ParsedText, document: Json, edits: tuple[Edit, ...]) -> Repair:
        if self._text is not None and +reading.notes:
            grade = Grade.LOSSY if reading.loses else Grade.LOSSLESS
            if RANK[grade] > RANK[self._most]:
                return refused(
                    RefusalCause.NEEDS_MORE, f"would take a repair of grade {grade.value}: {_describe(reading.notes)}"
                )
            edits = (_text_edit(self._text, reading, grade), *edits)
        notes = self._notes(document)
        if not edits:
            return Repair(status=RepairStatus.VALID, document=document, notes=notes)
        reason = "; ".join(f"{reason} ({count})" if count > 1 else reason for reason, count in _reasons(edits))
        return Repair(status=RepairStatus.REPAIRED, document=document, edits=edits, reason=reason, notes=notes)

    def _notes(self, document: Json) -> tuple[SlipNote, ...]:
        try:
            return slip_notes(document, self._schema.shapes)
        except (
            StepLimitExceeded,
            UnusableSchema,
            RecursionError,
        ):  # the document is valid, whatever else is to be found
            return ()


def _reasons(edits: tuple[Edit, ...]) -> list[tuple[str, int]]:
    return Counter(edit.reason for edit in edits).most_common(8)


def _describe(notes: Counter[str]) -> str:
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in sorted((+notes).items()))


def _text_edit(text: str, reading: ParsedText, grade: Grade) -> Edit:
    return Edit(
        op="replace",
        path="",
        value=reading.document,
        old=text,
        grade=grade,
        kind="text",
        reason=f"the text is not plain JSON: {_describe(reading.notes)}",
    )


def _place_of_gap(fit: Fit) -> str:
    steps: list[str] = []
    while (inner := next(((key, one) for key, one in fit.below if one.gap <= MARGIN), None)) is not None:
        steps.append(str(inner[0]))
        fit = inner[1]
    return ("/" + "/".join(steps))[:160] if steps else "the document"
