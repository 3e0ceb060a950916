"""Taking content encodings off: whole, torn, mistaken, and never more than allowed."""

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.outbound.decoding import Decoder, Oversized, Undecodable

MOST = 1 << 20


def bare(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": bare,
    "gzip, identity": gzip.compress,
    " deflate , gzip": lambda data: gzip.compress(zlib.compress(data)),
}


def decoded(encoding: str, body: bytes, step: int, most: int = MOST) -> bytes:
    decoder = Decoder([encoding], most)
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    out = b"".join(piece for part in parts for piece in decoder.feed(part))
    decoder.end()
    return out


@given(st.sampled_from(list(ENCODED)), st.binary(max_size=300), st.integers(1, 70), st.integers(1, 900))
def test_a_body_is_the_same_however_it_arrives(encoding: str, data: bytes, step: int, times: int) -> None:
    assert decoded(encoding, ENCODED[encoding](data * times), step) == data * times


@given(
    st.sampled_from([name for name in ENCODED if name != "identity"]), st.binary(min_size=1, max_size=300), st.data()
)
def test_a_torn_body_is_never_whole(encoding: str, data: bytes, draw: st.DataObject) -> None:
    body = ENCODED[encoding](data)
    cut = draw.draw(st.integers(1, len(body) - 1))
    with pytest.raises(Undecodable):
        decoded(encoding, body[:cut], 7)


@given(st.sampled_from([name for name in ENCODED if name != "identity"]), st.binary(max_size=600), st.integers(1, 99))
def test_any_bytes_at_all_end_in_a_body_or_in_a_known_way(encoding: str, body: bytes, step: int) -> None:
    with suppress(Undecodable, Oversized):
        assert len(decoded(encoding, body, step, most=1000)) <= 1000 + 2 * 65536


@pytest.mark.parametrize("encoding", ["gzip", "deflate", " deflate , gzip"])
def test_more_than_allowed_is_said_and_not_held(encoding: str) -> None:
    pieces = Decoder([encoding], 1000).feed(ENCODED[encoding](bytes(8 * MOST)))
    received: list[int] = []
    with pytest.raises(Oversized):
        received.extend(map(len, pieces))
    assert max(received) <= 65536
    assert sum(received) <= 1000 + 2 * 65536


def test_padding_behind_a_gzip_file_is_no_part_of_the_body() -> None:
    assert decoded("gzip", gzip.compress(b"one") + gzip.compress(b"two") + bytes(512), 5) == b"onetwo"


def test_encodings_over_each_other_are_taken_off_twice_and_no_more() -> None:
    twice = gzip.compress(gzip.compress(b"x"))
    assert decoded("gzip, gzip", twice, 9) == b"x"
    with pytest.raises(Undecodable):
        decoded("gzip, gzip, gzip", gzip.compress(twice), 9)
