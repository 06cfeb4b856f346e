"""The expected result of a bundled recording: its receipts, and bounds on its scores.

``expected.json`` lies beside recording.yaml. It is what the pipeline is held to, not what it reads.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from recordings.model import Recording, Seconds, TrueLine, seconds_to_ns
from recordings.reading import read_json
from store_layout.model import Strict
from tillfree.evaluation.outcome import PredictedVisit, RunOutcome
from tillfree.evaluation.receipts import SAME_SCAN_NS

EXPECTED_FILE = "expected.json"


class ExpectedReceipt(Strict):
    """The receipt of the visit that the gate scan ``token`` at ``scanned_at_s`` opened."""

    token: str
    scanned_at_s: Seconds
    lines: tuple[TrueLine, ...] = ()


class Bound(Strict):
    """What a score of `tillfree evaluate` must at least or at most be."""

    at_least: float | None = None
    at_most: float | None = None


class Expected(Strict):
    """expected.json: every visit's receipt exactly, and bounds on scores by their names in the evaluation."""

    version: Literal[1]
    receipts: tuple[ExpectedReceipt, ...] = ()
    scores: dict[str, Bound] = Field(default_factory=dict)


def load_expected(base_dir: Path) -> Expected | None:
    """Read what is expected of the recording in ``base_dir``, or None where nothing is; raises RecordingError."""
    file = base_dir / EXPECTED_FILE
    return read_json(file, Expected) if file.is_file() else None


def write_expected(base_dir: Path, expected: Expected) -> None:
    """Write ``expected`` into ``base_dir``, the same bytes for the same content."""
    document = {"version": 1, **expected.model_dump(mode="json", exclude_defaults=True)}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (base_dir / EXPECTED_FILE).write_text(text, encoding="utf-8", newline="\n")


def expected_of(recording: Recording, outcome: RunOutcome) -> Expected:
    """Return the receipts of a run as what is expected of the next one."""
    receipts = tuple(_receipt_of(recording, visit) for visit in outcome.visits)
    ordered = sorted(receipts, key=lambda receipt: (receipt.scanned_at_s, receipt.token))
    return Expected(version=1, receipts=tuple(ordered), scores={})


def _receipt_of(recording: Recording, visit: PredictedVisit) -> ExpectedReceipt:
    units = Counter({line.sku: line.quantity for line in visit.lines})
    lines = tuple(TrueLine(sku=sku, quantity=quantity) for sku, quantity in sorted(units.items()))
    at_s = max(0.0, (visit.scanned_at_ns - recording.started_at_ns) / 1e9)
    return ExpectedReceipt(token=visit.token, scanned_at_s=at_s, lines=lines)


def differences(
    recording: Recording, outcome: RunOutcome, scores: Mapping[str, object], expected: Expected
) -> tuple[str, ...]:
    """Return in words what is not as expected, in a fixed order; nothing where all is."""
    return (*_receipt_differences(recording, outcome, expected), *_score_differences(scores, expected))


def _receipt_differences(recording: Recording, outcome: RunOutcome, expected: Expected) -> list[str]:
    left = list(outcome.visits)
    found = []
    for receipt in expected.receipts:
        at_ns = seconds_to_ns(recording, receipt.scanned_at_s)
        visit = next(
            (v for v in left if v.token == receipt.token and abs(v.scanned_at_ns - at_ns) <= SAME_SCAN_NS), None
        )
        if visit is None:
            found.append(f"{receipt.token}: no visit was opened")
            continue
        left.remove(visit)
        wanted = _in_words((line.sku, line.quantity) for line in receipt.lines)
        got = _in_words((line.sku, line.quantity) for line in visit.lines)
        if wanted != got:
            found.append(f"{receipt.token}: the receipt has {got}, expected {wanted}")
    return found + [f"{visit.token}: a visit that was not expected" for visit in left]


def _in_words(lines: Iterable[tuple[str, int]]) -> str:
    units: Counter[str] = Counter()
    for sku, quantity in lines:
        units[sku] += quantity
    return ", ".join(f"{quantity} x {sku}" for sku, quantity in sorted(units.items())) or "nothing"


def _score_differences(scores: Mapping[str, object], expected: Expected) -> list[str]:
    found = []
    for key, bound in sorted(expected.scores.items()):
        value = scores.get(key)
        if not isinstance(value, int | float):
            found.append(f"{key}: has no value")
        elif bound.at_least is not None and value < bound.at_least:
            found.append(f"{key}: is {value:g}, expected at least {bound.at_least:g}")
        elif bound.at_most is not None and value > bound.at_most:
            found.append(f"{key}: is {value:g}, expected at most {bound.at_most:g}")
    return found
