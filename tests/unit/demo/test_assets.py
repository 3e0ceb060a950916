"""The demo's pictures and voices: where they are stored, and the picture that the docs show."""

import io
from hashlib import sha256
from pathlib import Path
from typing import Final

from PIL import Image

from consumer.demo.assets import calls_told, made_files
from consumer.demo.studio import HERO_PROMPT, Shelf, picture, voice
from consumer.demo.world import EffectRecord, WorldCall
from consumer.local.kafka_jars import CHECKOUT
from consumer.model import JsonObject

SHOWN: Final = CHECKOUT / "docs" / "images" / "auto-regenerate.png"
MOST_BYTES: Final = 30_000


def put(shelf: Shelf, path: str, content: bytes) -> None:
    call = WorldCall(service="shelf", method="PUT", path=path, headers={}, body={}, content=content)
    shelf(call, EffectRecord())


def test_what_was_made_is_told_by_its_name_and_by_where_it_is_stored(tmp_path: Path) -> None:
    shelf, told = Shelf(tmp_path), dict[str, str]()
    for name, content in {"hero.png": picture(HERO_PROMPT), "welcome.wav": voice("Welcome.")}.items():
        told[name] = f"sha256/{sha256(content).hexdigest()}"
        put(shelf, f"/{told[name]}", content)
        put(shelf, f"/assets/org/workflow/{name}", content)
    said = made_files(tmp_path)
    for name, stored in told.items():
        assert f"{tmp_path / name} (stored as {stored})" in said
        assert (tmp_path / stored).read_bytes() == (tmp_path / name).read_bytes()


def test_a_picture_that_was_cut_at_first_is_told_with_both_its_calls_and_what_each_cost() -> None:
    wrong: JsonObject = {"n": 1, "came": "wrong", "said": "8447 bytes: decodes: OSError", "micro_aud": 20_000}
    made: JsonObject = {"n": 2, "came": "made", "said": "16895 bytes", "micro_aud": 20_000}
    assert calls_told({"generations": [wrong, made]}) == (
        "street.png: call 1 wrong (8447 bytes: decodes: OSError), 0.02 AUD; call 2 made (16895 bytes), 0.02 AUD"
    )
    assert "no call" in calls_told({})


def test_an_address_that_points_at_nothing_stored_is_told_so(tmp_path: Path) -> None:
    put(Shelf(tmp_path), "/assets/org/workflow/hero.png", picture(HERO_PROMPT))
    assert "hero.png (stored as nothing)" in made_files(tmp_path)


def test_the_docs_show_the_picture_that_the_demo_makes() -> None:
    shown = SHOWN.read_bytes()
    assert len(shown) < MOST_BYTES
    with Image.open(io.BytesIO(shown)) as one, Image.open(io.BytesIO(picture(HERO_PROMPT))) as made:
        assert one.tobytes() == made.tobytes()
