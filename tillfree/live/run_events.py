"""What a recording's run saw, for the dashboard's page of recordings."""

from __future__ import annotations

from pathlib import Path

from dashboard.recordings_desk.types import Seen
from tillfree.evaluation.outcome import PredictedInteraction
from tillfree.eventlog import read_events
from tillfree.folds import StoreFold, replayed


def seen_in(file: Path) -> tuple[Seen, ...]:
    """Return the picks and put-backs of a run's log, as the evaluation takes them. Raises EventLogError."""
    fold = replayed(read_events(file))
    return tuple(_seen(each, fold) for each in fold.predicted_interactions())


def _seen(done: PredictedInteraction, fold: StoreFold) -> Seen:
    visit = None if done.visit_id is None else fold.visits.get(done.visit_id)
    scan = None if visit is None else fold.scans.get(visit.scan_id)
    return Seen(
        done.kind,
        done.shelf_id,
        done.slot_id,
        done.sku,
        done.quantity,
        done.opened_at_ns,
        done.closed_at_ns,
        None if visit is None else visit.token,
        None if scan is None else scan.at_ns,
    )
