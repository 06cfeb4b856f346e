from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from checkout.settings import CheckoutPolicy
from store_layout.model import Strict

DOCS = Path(__file__).parents[2] / "docs" / "checkout.md"


def rows(model: type[Strict], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.default, Strict):
            yield from rows(type(field.default), f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {field.default} | {field.description} |"


def test_every_setting_stands_in_the_docs_with_its_default_and_reason() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [row for row in rows(CheckoutPolicy) if row not in text] == []
