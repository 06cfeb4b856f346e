"""Labels as a recording's truth, and back: what truth.json says of them, and of receipts and visits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dashboard.recordings_desk.labels import Label, Labels
from recordings.model import GateScan, TrueLine, TrueVisit, Truth

_SAME_SCAN_S = 0.5


def first_truth(scans: Iterable[GateScan]) -> Truth:
    """Return the truth of a recording that nobody has labelled: a visit for each scan, and nothing known."""
    ordered = sorted(scans, key=lambda each: (each.at_s, each.token))
    visits = tuple(
        TrueVisit(id=f"visit-{number}", token=scan.token, scanned_at_s=scan.at_s)
        for number, scan in enumerate(ordered, start=1)
    )
    return Truth(version=1, visits=visits, receipts_known=False, interactions_known=False)


def labels_of(truth: Truth) -> Labels:
    """Return the labels that a truth holds."""
    ordered = sorted(truth.interactions, key=lambda each: each.from_s)
    labels = tuple(Label(number, done) for number, done in enumerate(ordered, start=1))
    return Labels(labels, truth.interactions_known, len(labels) + 1)


def truth_of(base: Truth, labels: Labels) -> Truth:
    """Return ``base`` with these labels: ready for the evaluation, which leaves out what is not known.

    While labels are not complete, picks and put-backs are not known. Once they are, receipts follow from them: what each visit
    took and did not put back. They are not known where an event has no visit or no product. Receipts that were written without
    any events stay as they are until then.
    """
    done = tuple(each.done for each in labels.labels)
    changed = {"interactions": done, "interactions_known": labels.is_complete}
    if not labels.is_complete:
        kept = base.receipts_known and not base.interactions_known
        return base.model_copy(update={**changed, "receipts_known": kept})
    if any(each.visit is None or each.sku is None for each in done):
        return base.model_copy(update={**changed, "receipts_known": False})
    visits = tuple(each.model_copy(update={"receipt": receipt_of(each.id, labels)}) for each in base.visits)
    return base.model_copy(update={**changed, "visits": visits, "receipts_known": True})


def receipt_of(visit_id: str, labels: Labels) -> tuple[TrueLine, ...]:
    """Return what a visit took and did not put back, by SKU; more put back than taken is nothing."""
    units: Counter[str] = Counter()
    for each in labels.labels:
        if each.done.visit == visit_id and each.done.sku is not None:
            units[each.done.sku] += each.done.quantity if each.done.kind == "pick" else -each.done.quantity
    return tuple(TrueLine(sku=sku, quantity=count) for sku, count in sorted(units.items()) if count > 0)


def visit_at(truth: Truth, token: str, scanned_at_s: float) -> str | None:
    """Return the true visit that a gate scan opened, None where the truth has none."""
    fits = (
        each for each in truth.visits if each.token == token and abs(each.scanned_at_s - scanned_at_s) <= _SAME_SCAN_S
    )
    return next((each.id for each in fits), None)
