"""Write docs/settings.md out of the settings models: ``.venv/bin/python tools/settings_docs.py``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tillfree.settings import RunSettings
from tillfree.settings_list import bounds_of, summary_of

HEAD = """\
# Settings

A settings file is YAML, given with `--settings` or named in recording.yaml. Every key is optional; unknown keys are
refused. This page is made from the code by `tools/settings_docs.py`, and a test holds the two together.

```yaml
checkout:
  final_delay_s: 3.0
vision:
  detector:
    score: 0.1
```
"""
TARGET = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section("", RunSettings))


def _section(path: str, model: type[BaseModel]) -> list[str]:
    rows, parts = [], []
    for name, field in model.model_fields.items():
        inner = _model_of(field)
        if inner is None:
            rows.append(_row(name, field))
        else:
            parts += _section(f"{path}.{name}".lstrip("."), inner)
    summary = summary_of(model)
    head = [f"\n## `{path}`\n\n{summary}\n"] if path else []
    table = ["\n| key | default | bounds | what and why |\n|---|---|---|---|\n", *rows] if rows else []
    return (head + table if rows else []) + parts


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _row(name: str, field: FieldInfo) -> str:
    description = (field.description or "").replace("|", "\\|")
    return f"| `{name}` | {_default(field)} | {bounds_of(field)} | {description} |\n"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return f"`{value:.4g}`" if isinstance(value, float) else f"`{value}`"


def main() -> None:
    """Write the page."""
    TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
