"""The evaluation as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from tillfree.evaluation.scores import RecordingScore, document, named, total

# heading, the key or keys of the evaluation document that stand under it
RECEIPT_COLUMNS = (
    ("receipt F1", ("receipt_f1",)),
    ("perfect", ("perfect_receipts",)),
    ("receipts", ("receipts",)),
    ("over / under, minor units", ("overcharge_minor", "undercharge_minor")),
    ("reviewed", ("review_share",)),
    ("wrong unreviewed", ("unreviewed_error",)),
    ("s to receipt p50 / p95", ("seconds_to_receipt_median", "seconds_to_receipt_p95")),
)
VISION_COLUMNS = (
    ("picks P / R", ("pick_precision", "pick_recall")),
    ("put-backs P / R", ("put_back_precision", "put_back_recall")),
    ("who", ("attribution_accuracy",)),
    ("what", ("sku_accuracy",)),
    ("s off", ("interaction_time_error_s",)),
    ("floor HOTA / IDF1 / switches", ("floor_hota", "floor_idf1", "floor_identity_switches")),
    ("box HOTA / IDF1", ("box_hota", "box_idf1")),
)


def evaluation_tables(scores: Sequence[RecordingScore]) -> tuple[Table, Table]:
    """Return the table of receipts and the table of what vision saw, with a total where there are several."""
    rows = {name: document(part) for name, part in named(scores).items()}
    if len(scores) > 1:
        rows["total"] = document(total(scores))
    return _table("Receipts", RECEIPT_COLUMNS, rows), _table("Interactions and tracks", VISION_COLUMNS, rows)


def _table(
    title: str, columns: Sequence[tuple[str, tuple[str, ...]]], rows: Mapping[str, Mapping[str, object]]
) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("recording", overflow="fold")
    for heading, _ in columns:
        table.add_column(heading, justify="right")
    for name, values in rows.items():
        if name == "total":
            table.add_section()
        cells = [" / ".join(in_words(values[key]) for key in keys) for _, keys in columns]
        table.add_row(name, *cells, style="bold" if name == "total" else None)
    return table


def in_words(value: object) -> str:
    """Return a score as it stands in a table: three decimals, whole numbers whole, a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
