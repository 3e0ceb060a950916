"""Six schemas of six trades, and a document of each by chance."""

import random
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
Make: TypeAlias = Callable[[random.Random], dict[str, Json]]

_NAMES: Final = ("Ada Lovelace", "Grace Hopper", "Zoë Müller", "Li Wei", "O'Neill", "Søren", "Nguyễn An")
_WORDS: Final = ("harbour", "north gate", "late shift", "gull", "blue line", "depot 7", "café")


def _day(rng: random.Random) -> str:
    return f"{rng.randint(2019, 2026)}-{rng.randint(1, 12):02}-{rng.randint(13, 28)}"


def _moment(rng: random.Random) -> str:
    return f"{_day(rng)}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}Z"


def _object(required: str, *, open_: bool = False, **properties: Json) -> dict[str, Json]:
    found: dict[str, Json] = {"type": "object", "properties": properties, "required": required.split()}
    return found if open_ else found | {"additionalProperties": False}


_TEXT: Final = {"type": "string", "minLength": 1}
_COUNT: Final = {"type": "integer", "minimum": 0}

_EVENT: Final = _object(
    "title starts_at ends_at attendees visibility",
    title=_TEXT,
    starts_at={"type": "string", "format": "date-time"},
    ends_at={"type": "string", "format": "date-time"},
    all_day={"type": "boolean"},
    attendees={
        "type": "array",
        "items": _object(
            "email response",
            email={"type": "string", "format": "email"},
            response={"enum": ["accepted", "declined", "tentative"]},
        ),
    },
    visibility={"enum": ["public", "private", "busy_only"]},
    reminder_minutes={"type": "integer", "minimum": 0, "maximum": 10080},
)


def _event(rng: random.Random) -> dict[str, Json]:
    people = [
        {
            "email": f"p{n}@mail{rng.randint(1, 9)}.example",
            "response": rng.choice(["accepted", "declined", "tentative"]),
        }
        for n in range(rng.randint(2, 4))
    ]
    return {
        "title": rng.choice(_WORDS),
        "starts_at": _moment(rng),
        "ends_at": _moment(rng),
        "all_day": rng.random() < 0.5,
        "attendees": people,
        "visibility": rng.choice(["public", "private", "busy_only"]),
        "reminder_minutes": rng.randint(1, 900),
    }


_INVOICE: Final = _object(
    "invoice_number issued_on currency lines total_gross paid",
    invoice_number={"type": "string", "pattern": "^INV-[0-9]{5}$"},
    issued_on={"type": "string", "format": "date"},
    currency={"enum": ["EUR", "USD", "AUD", "JPY"]},
    customer=_object("name country", name=_TEXT, country={"type": "string", "pattern": "^[A-Z]{2}$"}),
    lines={
        "type": "array",
        "minItems": 1,
        "items": _object(
            "sku quantity unit_price",
            sku=_TEXT,
            quantity={"type": "integer", "minimum": 1},
            unit_price={"type": "number", "minimum": 0},
        ),
    },
    total_gross={"type": "number", "minimum": 0},
    paid={"type": "boolean"},
)


def _invoice(rng: random.Random) -> dict[str, Json]:
    lines = [
        {
            "sku": f"s-{rng.randint(100, 999)}",
            "quantity": rng.randint(2, 9),
            "unit_price": rng.randint(101, 99999) / 100,
        }
        for _ in range(rng.randint(2, 3))
    ]
    return {
        "invoice_number": f"INV-{rng.randint(10000, 99999)}",
        "issued_on": _day(rng),
        "currency": rng.choice(["EUR", "USD", "AUD", "JPY"]),
        "customer": {"name": rng.choice(_NAMES), "country": rng.choice(["AU", "DE", "JP"])},
        "lines": lines,
        "total_gross": rng.randint(100001, 999999) / 100,
        "paid": rng.random() < 0.5,
    }


_WORKLOAD: Final = _object(
    "apiVersion kind metadata spec",
    apiVersion={"const": "apps.example/v1"},
    kind={"const": "Workload"},
    metadata=_object(
        "name labels",
        name={"type": "string", "pattern": "^[a-z0-9-]+$"},
        labels={"type": "object", "additionalProperties": {"type": "string"}},
    ),
    spec=_object(
        "replicas restartPolicy containers",
        replicas={"type": "integer", "minimum": 0, "maximum": 100},
        restartPolicy={"enum": ["Always", "OnFailure", "Never"]},
        hostNetwork={"type": "boolean"},
        containers={
            "type": "array",
            "items": _object(
                "image memoryMiB ports",
                image=_TEXT,
                memoryMiB=_COUNT,
                ports={"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
            ),
        },
    ),
)


def _workload(rng: random.Random) -> dict[str, Json]:
    containers = [
        {
            "image": f"registry.example/app:{rng.randint(1, 9)}.{rng.randint(0, 9)}",
            "memoryMiB": rng.choice([128, 256, 1024]),
            "ports": [rng.randint(1024, 9999), rng.randint(10000, 60000)],
        }
        for _ in range(rng.randint(1, 2))
    ]
    return {
        "apiVersion": "apps.example/v1",
        "kind": "Workload",
        "metadata": {
            "name": f"web-{rng.randint(1, 99)}",
            "labels": {"tier": "front", "team": rng.choice(["red", "blue"])},
        },
        "spec": {
            "replicas": rng.randint(2, 20),
            "restartPolicy": rng.choice(["Always", "OnFailure", "Never"]),
            "hostNetwork": rng.random() < 0.5,
            "containers": containers,
        },
    }


_SURVEY: Final = _object(
    "respondent answers submitted_on language",
    open_=True,
    respondent={"type": "string", "format": "uuid"},
    answers={
        "type": "array",
        "items": _object(
            "question_id rating",
            question_id={"type": "string", "pattern": "^q[0-9]+$"},
            rating={"type": "integer", "minimum": 1, "maximum": 5},
            comment={"type": "string"},
        ),
    },
    submitted_on={"type": "string", "format": "date"},
    language={"enum": ["en", "de", "fr", "ja"]},
    would_recommend={"type": "boolean"},
)


def _survey(rng: random.Random) -> dict[str, Json]:
    number = f"{rng.getrandbits(128):032x}"
    answers = [
        {"question_id": f"q{n}", "rating": rng.randint(1, 5), "comment": rng.choice(_WORDS)} for n in range(1, 4)
    ]
    return {
        "respondent": f"{number[:8]}-{number[8:12]}-4{number[13:16]}-a{number[17:20]}-{number[20:]}",
        "answers": answers,
        "submitted_on": _day(rng),
        "language": rng.choice(["en", "de", "fr", "ja"]),
        "would_recommend": rng.random() < 0.5,
    }


_READINGS: Final = _object(
    "sensor_id taken_at celsius humidity_percent quality",
    sensor_id={"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"},
    taken_at={"type": "string", "format": "date-time"},
    celsius={"type": "number", "minimum": -90, "maximum": 70},
    humidity_percent={"type": "number", "minimum": 0, "maximum": 100},
    samples={"type": "array", "items": {"type": "number", "minimum": 0}},
    quality={"enum": ["good", "suspect", "missing"]},
    calibrated={"type": "boolean"},
)


def _readings(rng: random.Random) -> dict[str, Json]:
    return {
        "sensor_id": f"{rng.choice(['AB', 'QX'])}{rng.randint(1000, 9999)}",
        "taken_at": _moment(rng),
        "celsius": rng.randint(-300, 450) / 10,
        "humidity_percent": rng.randint(101, 990) / 10,
        "samples": [rng.randint(11, 999) / 10 for _ in range(rng.randint(2, 4))],
        "quality": rng.choice(["good", "suspect", "missing"]),
        "calibrated": rng.random() < 0.5,
    }


_ROUTE: Final = _object(
    "route_code vehicle stops distance_km departs_on",
    route_code={"type": "string", "pattern": "^R[0-9]{3}$"},
    vehicle={"enum": ["van", "truck", "cargo_bike"]},
    stops={
        "type": "array",
        "minItems": 2,
        "items": _object(
            "place lat lon",
            place=_TEXT,
            lat={"type": "number", "minimum": -90, "maximum": 90},
            lon={"type": "number", "minimum": -180, "maximum": 180},
            wait_minutes=_COUNT,
        ),
    },
    distance_km={"type": "number", "minimum": 0},
    departs_on={"type": "string", "format": "date"},
    toll_free={"type": "boolean"},
)


def _route(rng: random.Random) -> dict[str, Json]:
    stops = [
        {
            "place": rng.choice(_WORDS),
            "lat": rng.randint(-8000, 8000) / 100,
            "lon": rng.randint(-17000, 17000) / 100,
            "wait_minutes": rng.randint(2, 40),
        }
        for _ in range(rng.randint(2, 4))
    ]
    return {
        "route_code": f"R{rng.randint(100, 999)}",
        "vehicle": rng.choice(["van", "truck", "cargo_bike"]),
        "stops": stops,
        "distance_km": rng.randint(1001, 90000) / 100,
        "departs_on": _day(rng),
        "toll_free": rng.random() < 0.5,
    }


SCHEMAS: Final[dict[str, tuple[dict[str, Json], Make]]] = {
    "event": (_EVENT, _event),
    "invoice": (_INVOICE, _invoice),
    "workload": (_WORKLOAD, _workload),
    "survey": (_SURVEY, _survey),
    "readings": (_READINGS, _readings),
    "route": (_ROUTE, _route),
}
