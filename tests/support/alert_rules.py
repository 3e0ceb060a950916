"""The rules of deploy/prometheus as a test reads them, and promtool's own test of each, made of `alert_cases`."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client import CollectorRegistry

from consumer.metrics import Metrics
from schemas.names import Result, StrategyName
from tests.support.alert_cases import AFTER, BEGIN, CASES, AlertCase
from tests.support.paths import ROOT

PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
ALERTS: Final = PROMETHEUS / "alerts.yml"
RECORDING: Final = PROMETHEUS / "recording.yml"
HEALTHY: Final = {
    "shw_database_up": 1.0,
    "shw_kafka_up": 1.0,
    "process_open_fds": 60.0,
    "process_max_fds": 1000.0,
    "process_start_time_seconds": 1000.0,
}
REPLICAS: Final = ("a", "b")
_UNITS: Final = {"m": 1, "h": 60, "d": 1440}


@cache
def rules_of(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def minutes(duration: str) -> int:
    return int(duration[:-1]) * _UNITS[duration[-1]]


def families_in(expression: str) -> set[str]:
    """Return the metrics that an expression names, those behind its recording rules among them."""
    recorded = {rule["record"]: rule["expr"] for rule in rules_of(RECORDING)}
    found: set[str] = set()
    for name in re.findall(r"shw:[a-z0-9_:]+", expression):
        found |= families_in(recorded[name])
    rest = re.sub(r"shw:[a-z0-9_:]+", "", expression)
    return found | set(re.findall(r"\b(?:shw|process)_[a-z_]*[a-z]\b|\bup\b", rest))


@cache
def at_start() -> dict[str, dict[str, float]]:
    """Return the series of a replica that has just started, by metric: the real ones."""
    metrics = Metrics(CollectorRegistry())
    metrics.consumer_lag_records[0].set(0)
    metrics.open_transaction_seconds[0].set(0)
    metrics.heal_seconds[StrategyName.AUTO_RETRY, Result.SUCCESS]  # its series come with the first heal
    found: dict[str, dict[str, float]] = {"up": {"up": 1.0}}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.labels.get("failure_type", "api_timeout") != "api_timeout":
                continue  # one type stands for all: promtool takes its time with a thousand series
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found.setdefault(sample.name, {})[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {
        name: {series: HEALTHY.get(name, 1.0 if name in ("up", "shw_build_info") else 0.0) for series in many}
        for name, many in found.items()
    }


def _of(series: str, instance: str) -> str:
    name, _, labels = series.partition("{")
    inner = labels.removesuffix("}")
    return f'{name}{{{inner + "," if inner else ""}instance="{instance}",job="self-healing-workflows"}}'


def _steady(value: float, samples: int) -> str:
    return f"{value:g}x{samples - 1}"


def _fault(case: AlertCase, series: str, healthy: float, lasts: int, total: int) -> str:
    after = total - BEGIN - lasts
    if series in case.gauges:
        bad = case.gauges[series]
        return " ".join(
            (_steady(healthy, BEGIN), f"_x{lasts}" if bad is None else _steady(bad, lasts), _steady(healthy, after))
        )
    if series in case.once:
        return f"{_steady(healthy, BEGIN)} {_steady(healthy + case.once[series], total - BEGIN)}"
    step = case.each_minute[series]
    top = healthy + step * lasts
    return f"{_steady(healthy, BEGIN)} {healthy + step:g}+{step}x{lasts - 1} {_steady(top, after)}"


def _suffering(changed: Mapping[str, object], known: Mapping[str, float]) -> set[str]:
    """Return the series that a case changes: those that it names, and all of a metric that it names without labels."""
    whole = {one for one in known for name in changed if "{" not in name and one.startswith(f"{name}{{")}
    return whole | {one for one in changed if one in known or "{" in one}


def unit_test(case: AlertCase) -> dict[str, Any]:
    """Return promtool's test of a case: quiet before the fault, firing in it, and quiet after it."""
    [rule] = [rule for rule in rules_of(ALERTS) if rule["alert"] == case.alert]
    held = minutes(rule.get("for", "0m"))
    lasts = case.lasts or held + AFTER
    resolved = BEGIN + lasts + case.window + 2
    total = resolved + 10
    changed = {**case.gauges, **case.once, **case.each_minute}
    series = []
    for instance in REPLICAS:
        suffers = case.both or instance == "a"
        known = {s: v for name in families_in(rule["expr"]) for s, v in at_start().get(name, {}).items()}
        bad = _suffering(changed, known) if suffers else set()
        for one in known.keys() | bad:
            named = one if one in changed else one.partition("{")[0]
            values = (
                _fault(case, named, known.get(one, 0.0), lasts, total) if one in bad else _steady(known[one], total)
            )
            if one in bad and one not in known and one in case.gauges:
                values = f"_x{BEGIN} {_steady(case.gauges[one] or 0, lasts)} stale"
            series.append({"series": _of(one, instance), "values": values})
    severity = rule["labels"]["severity"]
    fired = {
        "exp_labels": {"severity": severity, **case.labels},
        "exp_annotations": {name: _filled(text, case) for name, text in rule["annotations"].items()},
    }
    first = BEGIN + (held + 1 if case.at is None else case.at)
    others = (
        [fired | {"exp_labels": fired["exp_labels"] | {"instance": "b"}}]
        if case.both and "instance" in case.labels
        else []
    )
    return {
        "interval": "1m",
        "name": case.alert,
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": f"{BEGIN - 1}m", "alertname": case.alert, "exp_alerts": []},
            {"eval_time": f"{first}m", "alertname": case.alert, "exp_alerts": [fired, *others]},
            {"eval_time": f"{resolved}m", "alertname": case.alert, "exp_alerts": []},
        ],
    }


def _filled(text: str, case: AlertCase) -> str:
    return re.sub(r"\{\{ \$labels\.([a-z_]+) \}\}", lambda found: case.labels[found[1]], text)


def restart_test() -> dict[str, Any]:
    """Return promtool's test that no alert fires when replica `a` is deployed anew: back after a minute, at 0."""
    series = []
    for name, many in at_start().items():
        is_counter = name.endswith(("_total", "_bucket", "_count", "_sum"))
        for one, value in many.items():
            before = 7.0 if is_counter and not name.startswith("shw_heal") else value
            after = value + 2000 if name == "process_start_time_seconds" else value
            series.append({"series": _of(one, "a"), "values": f"{_steady(before, 60)} _ {_steady(after, 60)}"})
            series.append({"series": _of(one, "b"), "values": _steady(before, 121)})
    quiet = [
        {"eval_time": f"{minute}m", "alertname": rule["alert"], "exp_alerts": []}
        for minute in (59, 62, 80, 110)
        for rule in rules_of(ALERTS)
    ]
    return {"interval": "1m", "name": "a replica is deployed anew", "input_series": series, "alert_rule_test": quiet}


def write_tests(directory: Path) -> list[Path]:
    """Write promtool's files: one of each case with its own rules alone, which is faster, and one of the restart."""
    alerts, recorded = rules_of(ALERTS), rules_of(RECORDING)
    files = []
    for n, case in enumerate(CASES):
        own = [rule for rule in alerts if rule["alert"] == case.alert]
        needed = recorded if "shw:" in own[0]["expr"] else []
        rules = directory / f"rules{n}.yml"
        rules.write_text(json.dumps({"groups": [{"name": "own", "rules": [*needed, *own]}]}))
        files.append(_write(directory / f"test{n}.yml", [rules], unit_test(case)))
    return [*files, _write(directory / "restart.yml", [RECORDING, ALERTS], restart_test())]


def _write(path: Path, rules: list[Path], test: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"rule_files": list(map(str, rules)), "evaluation_interval": "1m", "tests": [test]}))
    return path  # JSON is YAML, and written faster
