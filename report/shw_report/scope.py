"""`report`: what runs within it is reported where it fails. `watch`: a client's calls are noted for it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Callable, TypeVar, cast

from shw_report import calls, publishing
from shw_report.calls import Call
from shw_report.event import Failing

Function = TypeVar("Function", bound=Callable[..., Any])
_CURRENT: ContextVar[report | None] = ContextVar("shw_report", default=None)
_DEEPEST = 8
_REPORTED = "__shw_reported__"
_DECODING = ("JSONDecodeError", "UnicodeDecodeError", "DecodingError", "ContentDecodingError")


class report:  # noqa: N801 - it reads as a statement: `with report(...)`
    """Reports what fails within it, as a context manager or a decorator; the exception goes on unchanged.

    `run` is the run's id at its orchestrator, or of a decorator a function of the call's arguments that gives it.
    `context` are further parts of the event's context (`resume`, `workflow`, `dependency`), `request` further members
    of its request (`expect`, `read_back`, `effect`); `org_id` another organisation than the configured one. With
    `call=False` the failed call does not go along: where an engine runs the whole step again, that is the heal.
    """

    __slots__ = ("_entered", "_failing", "_last", "_run", "_tries")

    def __init__(
        self,
        workflow: str,
        *,
        run: Any = None,
        step: str | None = None,
        epoch: int | None = None,
        org_id: str | None = None,
        request: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        call: bool = True,
    ) -> None:
        self._failing = (workflow, step, epoch, org_id, request, context, call)
        self._run = run
        self._last: tuple[Any, Any, BaseException | None] | None = None
        """Request, answer and exception of the last call: made a `Call` where something fails."""
        self._tries = 0
        self._entered: tuple[Token[report | None], Any] | None = None
        """The token of the last entry, and what was here before it."""

    def __enter__(self) -> report:  # noqa: PYI034 - `Self` is of a Python newer than the oldest
        self._entered = (_CURRENT.set(self), self._entered)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            token, self._entered = self._entered
            try:  # noqa: SIM105 - `suppress` would be the dearest thing in here
                _CURRENT.reset(token)
            except ValueError:  # entered in another context, as a generator's may be
                pass
        if error is None:
            return
        if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
            self.tell(error)

    def tell(self, error: BaseException) -> None:
        """Report an error that goes no further than here; what was reported once is not reported again."""
        try:
            if not getattr(error, _REPORTED, False):
                _mark(error)
                publishing.publish(self._failed(error))
        except Exception as own:  # whatever breaks in here, the caller's work goes on
            publishing.note_own_fault(own)

    def note(self, request: Any, response: Any, raised: BaseException | None) -> None:
        """Note a call within it: the last one may be what fails."""
        self._last = (request, response, raised)
        if raised is not None or getattr(response, "status_code", 0) >= calls.BAD_REQUEST:
            self._tries += 1

    def _failed(self, error: BaseException) -> Failing:
        workflow, step, epoch, org_id, request, context, goes_along = self._failing
        return Failing(
            workflow=workflow, step=step, epoch=epoch, org_id=org_id, request=request, context=context,
            goes_along=goes_along, run=None if self._run is None else str(self._run), error=error,
            call=self._blamed(error), tries=self._tries,
        )  # fmt: skip

    def _blamed(self, error: BaseException) -> Call | None:
        """Return the call that failed: the exception's own, else the last one where that is what went wrong."""
        for one in chain_of(error):
            call = calls.call_of(one)
            if call is not None:
                return call
        if self._last is None or self._last[0] is None:
            return None
        last = Call(*self._last)
        is_unread = any(type(one).__name__ in _DECODING for one in chain_of(error))
        return last if last.has_failed or is_unread or calls.tells_errors(last.response) else None

    def __call__(self, function: Function) -> Function:
        """Return the function, each of whose calls is reported for itself."""
        if inspect.isasyncgenfunction(function):
            return cast(Function, _wrap_async_generator(self, function))
        if inspect.isgeneratorfunction(function):
            return cast(Function, _wrap_generator(self, function))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def _awaited(*args: Any, **kwargs: Any) -> Any:
                with self.of_call(args, kwargs):
                    return await function(*args, **kwargs)

            return cast(Function, _awaited)

        @functools.wraps(function)
        def _called(*args: Any, **kwargs: Any) -> Any:
            with self.of_call(args, kwargs):
                return function(*args, **kwargs)

        return cast(Function, _called)

    def of_call(self, args: Any, kwargs: Any) -> report:
        """Return the report of one call of a decorated function."""
        run = self._run
        if callable(run):
            try:
                run = run(*args, **kwargs)
            except Exception as own:  # the caller's function of the run's id: not a failure of the step
                publishing.note_own_fault(own)
                run = None
        one = report("", run=run)
        one._failing = self._failing
        return one


def _wrap_generator(scope: report, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a generator function: its own code runs within the report, and what its consumer does between does not."""

    @functools.wraps(function)
    def _generated(*args: Any, **kwargs: Any) -> Any:
        own, inner = scope.of_call(args, kwargs), function(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(next, inner)
        while True:
            try:
                with own:
                    value = step()
            except StopIteration as end:
                return end.value
            try:
                sent = yield value
                step = functools.partial(inner.send, sent)
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as thrown:
                step = functools.partial(inner.throw, thrown)

    return _generated


def _wrap_async_generator(scope: report, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def _generated(*args: Any, **kwargs: Any) -> Any:
        own, inner = scope.of_call(args, kwargs), function(*args, **kwargs)
        try:
            while True:
                try:
                    with own:
                        value = await inner.__anext__()
                except StopAsyncIteration:
                    return
                yield value
        finally:
            await inner.aclose()

    return _generated


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, those of its group, and what it came from, the nearest first."""
    waiting, seen = [error], 0
    while waiting and seen < _DEEPEST:
        one = waiting.pop(0)
        seen += 1
        yield one
        before = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        waiting += [*list(getattr(one, "exceptions", ()))[:3], *([before] if before is not None else [])]


def _mark(error: BaseException) -> None:
    try:
        setattr(error, _REPORTED, True)
    except Exception:  # one with slots: it may be reported by an outer report too
        return


def watch(client: Any) -> None:
    """Note the calls of a client for the report around them: of one httpx or requests client, or of a whole module.

    Needed only where the exception that ends a step is not the client's own: a timeout around it, an answer that could
    not be read, errors in an answer of 200. A second time changes nothing.
    """
    owners = [getattr(client, name) for name in ("Client", "AsyncClient", "Session") if hasattr(client, name)]
    for owner in owners or [client]:
        send = getattr(owner, "send", None)
        if send is None or hasattr(send, "__shw_watched__"):
            continue
        is_async = inspect.iscoroutinefunction(send)
        at = 1 if isinstance(owner, type) else 0
        watched = _watched_async(send, at) if is_async else _watched(send, at)
        watched.__shw_watched__ = True  # type: ignore[attr-defined]
        owner.send = watched


def _watched(send: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Return `send` so that it notes its request, which is its argument at this place."""

    @functools.wraps(send)
    def _sent(*args: Any, **kwargs: Any) -> Any:
        scope = _CURRENT.get()
        if scope is None:
            return send(*args, **kwargs)
        request = args[at] if len(args) > at else kwargs.get("request")
        try:
            response = send(*args, **kwargs)
        except BaseException as error:
            scope.note(request, None, error)
            raise
        scope.note(request, response, None)
        return response

    return _sent


def _watched_async(send: Callable[..., Any], at: int) -> Callable[..., Any]:
    @functools.wraps(send)
    async def _sent(*args: Any, **kwargs: Any) -> Any:
        scope = _CURRENT.get()
        if scope is None:
            return await send(*args, **kwargs)
        request = args[at] if len(args) > at else kwargs.get("request")
        try:
            response = await send(*args, **kwargs)
        except BaseException as error:
            scope.note(request, None, error)
            raise
        scope.note(request, response, None)
        return response

    return _sent
