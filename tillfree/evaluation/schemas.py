"""JSON Schemas of the files that people write by hand, for their editors, docs/recordings.md and docs/live.md.

``python -m tillfree.evaluation.schemas docs/schemas`` writes them; a test says when they are out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from recordings.files import GateScans
from recordings.model import Recording, Truth
from tillfree.evaluation.expected import Expected
from tillfree.live.storefile import StoreFile

SCHEMAS: dict[str, type[BaseModel]] = {
    "recording": Recording,
    "gate_scans": GateScans,
    "truth": Truth,
    "expected": Expected,
}
LIVE_SCHEMAS: dict[str, type[BaseModel]] = {"store": StoreFile}


def schema_texts() -> dict[str, str]:
    """Return the text of each schema by its file name."""
    return {f"{name}.json": _text(name, model) for name, model in (SCHEMAS | LIVE_SCHEMAS).items()}


def _text(name: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"tillfree/{name}.json", **schema}
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
