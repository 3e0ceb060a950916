"""Presets of described generators: the templates of Stability, Replicate and fal, from a model's name."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from consumer.catalog.runners.checks import fault

PresetName: TypeAlias = Literal["stability", "replicate", "fal"]
Templates: TypeAlias = dict[str, Any]
_ADDRESSES: Final = {
    "stability": "https://api.stability.ai",
    "replicate": "https://api.replicate.com",
    "fal": "https://queue.fal.run",
}
_NAME_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")


def with_preset(given: Mapping[str, Any]) -> Templates:
    """Return a declaration with its preset's templates filled in; what it declares itself counts."""
    name, model = given["preset"], given.get("model")
    fill = _PRESETS.get(name)
    if fill is None:
        return dict(given)  # pydantic names the presets that there are
    api = given.get("api") or _ADDRESSES[name]
    if not isinstance(model, str) or not model or set(model) - _NAME_SIGNS or ".." in model:
        fault("a preset needs the model's name, such as `core` or `fal-ai/flux/dev`", "model")
    headers = given.get("headers") or {}
    if not isinstance(api, str) or not isinstance(headers, dict):
        return dict(given)
    return fill(api.rstrip("/"), model.strip("/"), headers) | dict(given)


def _stability(api: str, model: str, headers: dict[str, str]) -> Templates:
    """Stable Image: a form in, the image itself out; what moderation holds back is a 200 with a header."""
    return {
        "makes": "image",
        "generate": {
            "url": f"{api}/v2beta/stable-image/generate/{model}",
            "headers": {"accept": "image/*"} | headers,
            "form": True,
            "body": {"prompt": "{prompt}", "output_format": "{format?}", "seed": "{parameters.seed?}"},
        },
        "held_back": [{"header": "finish-reason", "values": ["CONTENT_FILTERED"]}],
        "can": {"formats": ["png", "jpeg", "webp"], "characters": 10_000, "transparent": False},
    }


def _replicate(api: str, model: str, headers: dict[str, str]) -> Templates:
    """Predictions: a job, whose output is an address or a list of such."""
    return {
        "generate": {
            "url": f"{api}/v1/models/{model}/predictions",
            "headers": headers,
            "body": {"input": {"prompt": "{prompt}", "output_format": "{format?}", "seed": "{parameters.seed?}"}},
            "accepted": [200, 201, 202],
        },
        "job_id": "/id",
        "look": {
            "url": f"{api}/v1/predictions/{{job.id}}",
            "headers": headers,
            "status": "/status",
            "phases": {
                "starting": "running",
                "processing": "running",
                "succeeded": "done",
                "failed": "failed",
                "canceled": "failed",
                "aborted": "failed",
            },
        },
        "cancel": {"url": f"{api}/v1/predictions/{{job.id}}/cancel", "method": "POST", "headers": headers},
        "content": {"url": ["/output/0", "/output"], "units": "/metrics/predict_time"},
    }


def _fal(api: str, model: str, headers: dict[str, str]) -> Templates:
    """The queue: a job whose COMPLETED may carry an error, and a result of its own."""
    app = "/".join(model.split("/")[:2])
    job = f"{api}/{app}/requests/{{job.id}}"
    return {
        "generate": {
            "url": f"{api}/{model}",
            "headers": headers,
            "body": {"prompt": "{prompt}", "output_format": "{format?}", "seed": "{parameters.seed?}"},
        },
        "job_id": "/request_id",
        "look": {
            "url": f"{job}/status",
            "headers": headers,
            "status": "/status",
            "phases": {"IN_QUEUE": "running", "IN_PROGRESS": "running", "COMPLETED": "done"},
            "errors": ["/error", "/error_type"],
        },
        "result": {"url": job, "headers": headers},
        "cancel": {"url": f"{job}/cancel", "method": "PUT", "headers": headers},
        "content": {"url": ["/images/0/url", "/image/url", "/audio/url", "/audio_file/url"]},
    }


_PRESETS: Final[Mapping[str, Callable[[str, str, dict[str, str]], Templates]]] = {
    "stability": _stability,
    "replicate": _replicate,
    "fal": _fal,
}
