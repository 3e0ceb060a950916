"""Each guard of a media store, broken on purpose, fails the test that is for it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

import pytest

from consumer.media_store import answers, conditions, keys, places, read_back, store
from consumer.media_store.called_pointer import CalledPointer
from consumer.media_store.conditions import ConditionProbe
from consumer.media_store.contract import FetchedAsset, PointerState, StoredObject, StoreFailed, Swapped
from consumer.media_store.places import OnlyIf
from consumer.media_store.read_back import AssetFetch
from consumer.media_store.store import MediaStore
from consumer.model.call import Answer, CallResult
from tests.integration import test_media_store as tests
from tests.support.worlds.http_world import Reply

Break: TypeAlias = Callable[[pytest.MonkeyPatch], None]
Guarded: TypeAlias = Callable[[], Awaitable[None]]


class _Every(str):
    """A digest that is every digest."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


def _always(value: Any) -> Callable[..., Any]:  # noqa: ANN401 - what is patched knows
    return lambda *_, **__: value


def _always_later(value: Any) -> Callable[..., Awaitable[Any]]:  # noqa: ANN401
    async def later(*_: object, **__: object) -> Any:  # noqa: ANN401
        return value

    return later


def _failure(**changes: Any) -> Callable[[CallResult], StoreFailed]:  # noqa: ANN401
    return lambda result: replace(answers.failure(result), **changes)


def writes_without_a_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OnlyIf, "header", property(_always(("x-nothing", "1"))))


def takes_any_etag(patch: pytest.MonkeyPatch) -> None:
    def version(answer: Answer) -> PointerState:
        return PointerState(version=answer.named_headers.get("etag", "none"))

    patch.setattr(store, "version_in", version)


def takes_a_doubtful_swap_for_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MediaStore, "_after_doubt", _always_later(Swapped(already=True)))


def takes_a_doubtful_swap_for_not_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MediaStore, "_after_doubt", _always_later(StoreFailed(reason="", in_doubt=True)))


def doubts_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "failure", _failure(in_doubt=False))


def takes_no_refusal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "failure", _failure(refused=False))


def hears_no_retry_after(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "failure", _failure(after=None))


def takes_whatever_users_get(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read_back, "_is", _always_later(True))


def asks_past_no_cache(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read_back, "_past_caches", read_back._fetch)  # noqa: SLF001


def asks_no_origin(patch: pytest.MonkeyPatch) -> None:
    async def only_fetches(self: MediaStore, *asked: Any, **more: Any) -> FetchedAsset:  # noqa: ANN401
        return await self._read_back.fetch(*asked, **more)

    patch.setattr(MediaStore, "read_back", only_fetches)


def forgets_the_age_of_what_is_cached(patch: pytest.MonkeyPatch) -> None:
    right = read_back.fresh_in

    def ageless(answer: Answer) -> Any:  # noqa: ANN401
        return right(replace(answer, headers=tuple(one for one in answer.headers if one[0].lower() != "age")))

    patch.setattr(read_back, "fresh_in", ageless)


def takes_any_object_for_the_one_of_its_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "digest_of", _always_later(_Every()))


def takes_a_name_for_a_proof(patch: pytest.MonkeyPatch) -> None:
    async def existing(self: MediaStore, file: Any, *_: object, **__: object) -> StoredObject:  # noqa: ANN401
        return self._stored(file.digest, existed=True)

    patch.setattr(MediaStore, "_existing", existing)


def lets_a_key_lead_elsewhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keys, "_fitting", lambda _name, text: text)


def sees_no_conflict_of_another_system(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CalledPointer, "is_conflict", _always(False))


def takes_a_purge_for_done(patch: pytest.MonkeyPatch) -> None:
    right = AssetFetch.purge

    async def purged(self: AssetFetch, *asked: Any, **more: Any) -> None:  # noqa: ANN401
        await right(self, *asked, **more)

    patch.setattr(AssetFetch, "purge", purged)


def takes_a_refusal_for_an_absence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read_back, "ABSENT", frozenset({403, 404}))


def takes_what_was_answered_for_what_was_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(places, "is_confirmed", _always(True))


def takes_an_upload_under_way_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "ABSENT", frozenset())


def asks_for_what_is_compressed(patch: pytest.MonkeyPatch) -> None:
    right = places._request  # noqa: SLF001
    patch.setattr(places, "_request", lambda *asked, **more: replace(right(*asked, **more), as_stored=False))


def takes_every_place_for_one_that_compares(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConditionProbe, "check", _always_later(None))


def tries_one_condition(patch: pytest.MonkeyPatch) -> None:
    right = conditions._refusal  # noqa: SLF001

    def refusal(answered: CallResult, condition: OnlyIf) -> StoreFailed | None:
        return right(answered, condition) if condition.version is None else None

    patch.setattr(conditions, "_refusal", refusal)


def believes_caches(patch: pytest.MonkeyPatch) -> None:
    async def believed(found: FetchedAsset, _standing: object) -> FetchedAsset:
        return found

    patch.setattr(store, "compared", believed)
    patch.setattr(read_back, "compared", believed)


def believes_what_names_an_object(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "_of_digest", _always_later(b"old"))


def hears_no_hint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answers, "_elsewhere", _always(""))


MUTANTS: Final[list[tuple[Break, Guarded]]] = [
    (writes_without_a_condition, tests.test_of_many_who_swap_from_one_state_one_wins),
    (
        takes_every_place_for_one_that_compares,
        partial(tests.test_a_place_that_takes_no_notice_of_a_condition_is_refused, "if-none-match"),
    ),
    (tries_one_condition, partial(tests.test_a_place_that_takes_no_notice_of_a_condition_is_refused, "if-match")),
    (
        believes_caches,
        partial(tests.test_a_cache_that_has_what_its_place_has_lost_does_not_make_it_there, looks_at_query=False),
    ),
    (believes_caches, tests.test_where_another_system_keeps_the_pointer_its_origin_is_asked_past_the_caches),
    (believes_what_names_an_object, tests.test_a_document_that_names_an_object_which_is_lost_names_nothing),
    (hears_no_hint, tests.test_a_bucket_whose_name_is_not_known_everywhere_yet_is_asked_again),
    (takes_any_etag, partial(tests.test_a_server_that_cannot_compare_is_refused, 'W/"{}"', "a weak ETag")),
    (
        takes_a_doubtful_swap_for_done,
        partial(tests.test_a_swap_that_was_not_done_is_in_doubt_and_can_be_done_again, Reply(drop=True)),
    ),
    (takes_a_doubtful_swap_for_not_done, tests.test_a_swap_that_was_done_and_never_answered_is_found_done),
    (
        doubts_nothing,
        partial(tests.test_a_swap_that_was_not_done_is_in_doubt_and_can_be_done_again, Reply(drop=True)),
    ),
    (takes_no_refusal, tests.test_a_store_that_refuses_a_file_is_not_asked_again),
    (hears_no_retry_after, tests.test_a_store_that_refuses_a_file_is_not_asked_again),
    (takes_whatever_users_get, tests.test_what_users_get_is_not_what_was_put),
    (asks_past_no_cache, tests.test_a_cache_that_is_behind_is_told_with_the_time_at_which_it_has_to_ask),
    (asks_no_origin, tests.test_a_cache_that_takes_no_notice_of_a_query_is_told_by_its_origin),
    (
        forgets_the_age_of_what_is_cached,
        tests.test_a_cache_that_is_behind_is_told_with_the_time_at_which_it_has_to_ask,
    ),
    (
        takes_any_object_for_the_one_of_its_name,
        tests.test_an_object_under_a_digest_that_is_another_one_is_not_taken_for_it,
    ),
    (takes_a_name_for_a_proof, tests.test_an_object_under_a_digest_that_is_another_one_is_not_taken_for_it),
    (lets_a_key_lead_elsewhere, tests.test_a_key_that_leads_elsewhere_is_refused),
    (
        sees_no_conflict_of_another_system,
        tests.test_another_system_keeps_the_pointer_and_is_changed_from_the_version_that_was_seen,
    ),
    (takes_a_purge_for_done, tests.test_a_cache_is_told_to_forget_an_asset_where_the_catalog_says_how),
    (
        takes_what_was_answered_for_what_was_kept,
        partial(tests.test_nothing_points_at_an_object_that_the_store_took_and_did_not_keep, b"ne"),
    ),
    (
        takes_an_upload_under_way_for_a_refusal,
        tests.test_an_object_of_which_another_upload_is_under_way_is_put_again,
    ),
    (
        asks_for_what_is_compressed,
        partial(tests.test_a_server_that_compresses_is_asked_for_the_version_of_what_it_stores, 'W/"{}"'),
    ),
    (takes_a_refusal_for_an_absence, partial(tests.test_an_answer_that_says_nothing_is_no_proof, Reply(status=403))),
]


@pytest.mark.parametrize(("broken", "guarded"), MUTANTS, ids=[broken.__name__ for broken, _ in MUTANTS])
async def test_a_broken_guard_fails_the_test_that_is_for_it(
    monkeypatch: pytest.MonkeyPatch, broken: Break, guarded: Guarded
) -> None:
    await guarded()
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        await guarded()
