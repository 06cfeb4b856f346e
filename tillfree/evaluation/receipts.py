"""Receipts against truth: the right products on the right visit, and the money that was wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

from recordings.model import Recording, TrueVisit, seconds_to_ns
from tillfree.evaluation.outcome import PredictedVisit

SAME_SCAN_NS = 500_000_000
"""A scan is data on both sides; half a second covers a truth that was written by hand, rounded."""


@dataclass(frozen=True, slots=True)
class ReceiptCounts:
    """Counts that add up over recordings.

    ``true_positive``, ``false_positive`` and ``false_negative`` are units of products.
    ``receipts`` are true visits and predicted ones without a true one; ``perfect`` those whose
    every product and quantity is right. ``overcharge_minor`` and ``undercharge_minor`` add up what
    each receipt's total is above or below the true one, at list prices. ``predicted`` are all
    predicted receipts, ``reviewed`` those with a review; ``unreviewed_wrong`` those that had none
    and were not perfect.
    """

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    receipts: int = 0
    perfect: int = 0
    visits: int = 0
    missing_visits: int = 0
    false_visits: int = 0
    overcharge_minor: int = 0
    undercharge_minor: int = 0
    predicted: int = 0
    reviewed: int = 0
    unreviewed_wrong: int = 0

    def __add__(self, other: Self) -> Self:
        sums = {part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(self)}
        return type(self)(**sums)


def match_visits(
    recording: Recording, true: Sequence[TrueVisit], predicted: Sequence[PredictedVisit]
) -> dict[str, str]:
    """Return the true visit's id for each predicted visit's id that was opened by the same gate scan.

    The same token within SAME_SCAN_NS, nearest in time first, one to one.
    """
    pairs = sorted(
        (abs(guess.scanned_at_ns - seconds_to_ns(recording, visit.scanned_at_s)), visit.id, guess.visit_id)
        for visit in true
        for guess in predicted
        if visit.token == guess.token
    )
    matched: dict[str, str] = {}
    taken: set[str] = set()
    for distance_ns, true_id, predicted_id in pairs:
        if distance_ns <= SAME_SCAN_NS and predicted_id not in matched and true_id not in taken:
            matched[predicted_id] = true_id
            taken.add(true_id)
    return matched


def count_receipts(
    true: Sequence[TrueVisit],
    predicted: Sequence[PredictedVisit],
    matched: Mapping[str, str],
    prices_minor: Mapping[str, int],
) -> ReceiptCounts:
    """Return the counts of one recording; ``matched`` comes from :func:`match_visits`.

    A true visit that was never opened lacks all its units and is not perfect, even where nothing
    was bought. ``prices_minor`` must hold every SKU of both sides.
    """
    by_true = {matched[guess.visit_id]: guess for guess in predicted if guess.visit_id in matched}
    total = ReceiptCounts(visits=len(true))
    for visit in true:
        wanted = Counter({line.sku: line.quantity for line in _merged_true(visit)})
        guess = by_true.get(visit.id)
        if guess is None:
            total += ReceiptCounts(missing_visits=1) + _one_receipt(wanted, Counter(), False, prices_minor)
        else:
            total += _one_receipt(wanted, _units(guess), True, prices_minor) + _review(wanted, guess)
    for guess in predicted:
        if guess.visit_id not in matched:
            total += ReceiptCounts(false_visits=1) + _review(None, guess)
            total += _one_receipt(Counter(), _units(guess), False, prices_minor)
    return total


@dataclass(frozen=True, slots=True)
class _Units:
    sku: str
    quantity: int


def _merged_true(visit: TrueVisit) -> list[_Units]:
    """Return the true lines with one line a product, should a truth list one twice."""
    units: Counter[str] = Counter()
    for line in visit.receipt:
        units[line.sku] += line.quantity
    return [_Units(sku, quantity) for sku, quantity in sorted(units.items())]


def _units(guess: PredictedVisit) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in guess.lines:
        units[line.sku] += line.quantity
    return units


def _one_receipt(wanted: Counter[str], got: Counter[str], both: bool, prices_minor: Mapping[str, int]) -> ReceiptCounts:
    error_minor = _total_minor(got, prices_minor) - _total_minor(wanted, prices_minor)
    return ReceiptCounts(
        true_positive=(wanted & got).total(),
        false_positive=(got - wanted).total(),
        false_negative=(wanted - got).total(),
        receipts=1,
        perfect=int(both and wanted == got),
        overcharge_minor=max(0, error_minor),
        undercharge_minor=max(0, -error_minor),
    )


def _total_minor(units: Counter[str], prices_minor: Mapping[str, int]) -> int:
    return sum(prices_minor[sku] * quantity for sku, quantity in units.items())


def _review(wanted: Counter[str] | None, guess: PredictedVisit) -> ReceiptCounts:
    wrong = wanted is None or wanted != _units(guess)
    return ReceiptCounts(predicted=1, reviewed=int(guess.reviewed), unreviewed_wrong=int(wrong and not guess.reviewed))
