"""The evaluation as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from tillfree.evaluation.scores import RecordingScore, document, named, total

# title: headings, each with the key of the evaluation document that stands under it. Short, so that
# a terminal of 80 columns shows them whole.
TABLES = {
    "Receipts": {
        "F1": "receipt_f1",
        "perfect": "perfect_receipts",
        "of": "receipts",
        "over": "overcharge_minor",
        "under": "undercharge_minor",
        "review": "review_share",
        "s p50": "seconds_to_receipt_median",
        "s p95": "seconds_to_receipt_p95",
    },
    "Picks and put-backs (precision, recall, whose, what, seconds off)": {
        "pick P": "pick_precision",
        "pick R": "pick_recall",
        "back P": "put_back_precision",
        "back R": "put_back_recall",
        "who": "attribution_accuracy",
        "what": "sku_accuracy",
        "s off": "interaction_time_error_s",
    },
    "Tracks (on the floor, and boxes of all cameras)": {
        "floor HOTA": "floor_hota",
        "IDF1": "floor_idf1",
        "switches": "floor_identity_switches",
        "box HOTA": "box_hota",
        "IDF1 ": "box_idf1",
        "switches ": "box_identity_switches",
    },
}


def evaluation_tables(scores: Sequence[RecordingScore]) -> tuple[Table, ...]:
    """Return the tables of ``scores``, with a total where there are several."""
    rows = {name: document(part) for name, part in named(scores).items()}
    if len(scores) > 1:
        rows["total"] = document(total(scores))
    return tuple(_table(title, columns, rows) for title, columns in TABLES.items())


def _table(title: str, columns: Mapping[str, str], rows: Mapping[str, Mapping[str, object]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("recording", overflow="fold")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, values in rows.items():
        is_total = name == "total"
        if is_total:
            table.add_section()
        cells = [in_words(values[key]) for key in columns.values()]
        table.add_row(name, *cells, style="bold" if is_total else None)
    return table


def in_words(value: object) -> str:
    """Return a score as it stands in a table: three decimals, whole numbers whole, a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
