"""Assets: the demo's failures of pictures and voices, what the catalog says of them, and what is shown at the end."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import UUID

from consumer.demo.cases import Case, Expected
from consumer.demo.organisations import VOICES_AUD
from consumer.demo.studio import CUT, FORBIDDEN, HEIGHT, HERO_PROMPT, OBJECTS, SPOKEN, WIDTH, speaker
from consumer.media.installed import missing_libraries
from consumer.model import Json, JsonObject
from schemas.names import Code, Result, Status, StrategyName

HERO: Final = "pictures.hero"
AGAIN: Final = "pictures.again"
REFUSED: Final = "pictures.refused"
SPEECH: Final = "voices.welcome"
CALL_AUD: Final = "0.02"
_FILES: Final = {HERO: "hero.png", AGAIN: "street.png", SPEECH: "welcome.wav"}
ASSET_MADE: Final = Expected(status=Status.RESOLVED, result=Result.SUCCESS, strategy=StrategyName.AUTO_REGENERATE)
_REFUSED: Final = Expected(
    status=Status.GIVEN_UP,
    result=Result.FAILED,
    strategy=StrategyName.AUTO_REGENERATE,
    code=Code.REFUSED,
    says="a person decides",
)


def asset_entries(hosts: Json, studio: str, shelf: str) -> tuple[list[Json], JsonObject]:
    """Return the entries of the catalog, and its blocks of generators and stores."""
    # A dead process's claim is taken over once its effect deadline has passed: short calls keep that near.
    short: JsonObject = {"timeout": "PT1S", "calls": 2, "verify": "PT5S"}
    entry: JsonObject = {"hosts": hosts, "attempts": 2, "media_store": "shelf", "auto_regenerate": short}
    pictures: JsonObject = {"name": "pictures.*", "generators": ["painter"]}
    voices: JsonObject = {"name": "voices.*", "generators": ["speaker"]}
    entries: list[Json] = [pictures | entry, voices | entry]
    generators: JsonObject = {
        "painter": _generator("image", f"{studio}/pictures"),
        "speaker": _generator("audio", f"{studio}/voices"),
    }
    place: JsonObject = {"kind": "http", "base": shelf}
    return entries, {"generators": generators, "media_stores": {"shelf": {"place": place, "public": shelf}}}


def _generator(makes: str, address: str) -> JsonObject:
    call: JsonObject = {"url": address, "body": {"prompt": "{prompt}", "reference": "{prompt}"}}
    return {"kind": "http", "makes": makes, "generate": call, "price": {"call_aud": CALL_AUD}, "timeout": "PT5S"}


def asset_cases(org_id: UUID) -> tuple[Case, ...]:
    """Return the failures: two pictures and a voice are made, one of them twice; none where nothing can decode them."""
    if missing_libraries() is not None:
        return ()
    size: JsonObject = {"kind": "image", "format": "png", "width": WIDTH, "height": HEIGHT}
    hero: JsonObject = {"id": _FILES[HERO], "prompt": HERO_PROMPT}
    street: JsonObject = {"id": _FILES[AGAIN], "prompt": CUT}
    portrait: JsonObject = {"id": "portrait.png", "prompt": FORBIDDEN}
    welcome: JsonObject = {"id": _FILES[SPEECH], "kind": "audio", "format": "wav", "prompt": SPOKEN}
    told: Sequence[tuple[str, str, JsonObject, Expected]] = (
        (HERO, "Image generation failed: the picture is missing", size | hero, ASSET_MADE),
        (AGAIN, "Image generation failed: the picture is missing", size | street, ASSET_MADE),
        (REFUSED, "Image generation failed: the picture is missing", size | portrait, _REFUSED),
        (SPEECH, "Voice synthesis returned 0 bytes of audio", welcome, ASSET_MADE),
    )
    return tuple(
        Case(
            name=name,
            org_id=org_id,
            reason=reason,
            context={"asset": asset},
            expected=expected,
            effects=(f"studio:{asset['prompt']}", f"shelf:{asset['id']}") if expected is ASSET_MADE else (),
        )
        for name, reason, asset, expected in told
    )


def spent_on_voices(left: Decimal) -> Decimal:
    """Return what of the voice budgets was spent, in AUD."""
    return Decimal(VOICES_AUD) - left


def check_voices(cases: Sequence[Case], left: Decimal) -> tuple[str, ...]:
    """Return what is wrong where not exactly the voices that were made were paid from the voice budget."""
    price = Decimal(CALL_AUD) * sum(case.name == SPEECH for case in cases)
    spent = spent_on_voices(left)
    return () if spent == price else (f"{spent.normalize():f} AUD were taken from it, and voices cost {price:f}",)


def calls_told(details: JsonObject) -> str:
    """Return what the attempt that made the picture which was cut at first tells of each of its calls, in words."""
    calls = details.get("generations")
    told = [_told(call) for call in (calls if isinstance(calls, list) else ()) if isinstance(call, dict)]
    return f"{_FILES[AGAIN]}: {'; '.join(told) or 'no call of a generator is told'}"


def _told(call: JsonObject) -> str:
    cost = Decimal(str(call.get("micro_aud"))) / 1_000_000
    return f"call {call.get('n')} {call.get('came')} ({str(call.get('said'))[:120]}), {cost} AUD"


def made_files(folder: Path) -> str:
    """Return what was made and where it lies, in words."""
    if (missing := missing_libraries()) is not None:
        return f"no picture and no voice was made: {missing}"
    stored = {file.read_bytes(): f"{OBJECTS}/{file.name}" for file in (folder / OBJECTS).glob("*")}
    files = [folder / name for name in _FILES.values() if (folder / name).exists()]
    names = ", ".join(f"{file} (stored as {stored.get(file.read_bytes(), 'nothing')})" for file in files)
    return f"made again: {names}; the voice is by {speaker()}"
