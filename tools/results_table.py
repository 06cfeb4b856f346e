"""Turn the JSON of `tillfree evaluate` into a markdown table for docs/results.md: ``tools/results_table.py FILE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

COLUMNS = {
    "receipt_f1": "receipt F1",
    "perfect_receipts": "perfect",
    "receipts": "receipts",
    "pick_precision": "pick precision",
    "pick_recall": "pick recall",
    "put_back_precision": "put-back precision",
    "put_back_recall": "put-back recall",
    "attribution_accuracy": "who",
    "sku_accuracy": "what",
    "floor_hota": "floor HOTA",
    "floor_idf1": "floor IDF1",
    "overcharge_minor": "over, cents",
    "undercharge_minor": "under, cents",
    "review_share": "reviewed",
    "seconds_to_receipt_p95": "receipt after, s (p95)",
}


def table(document: dict[str, dict[str, object]]) -> str:
    """Return one row a recording and one for the total."""
    rows: dict[str, object] = {**document.get("recordings", {}), "**total**": document["total"]}
    lines = [f"| recording | {' | '.join(COLUMNS.values())} |", f"|---|{'---|' * len(COLUMNS)}"]
    for name, scores in rows.items():
        assert isinstance(scores, dict)
        lines.append(f"| {name} | {' | '.join(_cell(scores.get(key)) for key in COLUMNS)} |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def main() -> None:
    """Print the table of the file named on the command line."""
    sys.stdout.write(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
