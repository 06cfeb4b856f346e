from __future__ import annotations

import importlib.util
import re
from datetime import timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import TextError
from billing.money import Money
from billing.texts import LOCALES, best_locale, texts

REPO = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Import tools/texts.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("texts_tool", REPO / "tools" / "texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("locale", LOCALES[1:])
@pytest.mark.parametrize("package", ["billing", "dashboard"])
def test_every_message_is_translated_and_no_other(tool: ModuleType, package: str, locale: str) -> None:
    assert package in tool.PACKAGES
    source = {message.id for message in tool.said(REPO / package) if message.id}
    assert len(source) > 40
    with tool.place(package, locale).open("rb") as file:
        found = {message.id: message for message in read_po(file, locale=locale) if message.id}
    assert set(found) == source
    for text, message in found.items():
        assert message.string, f"{text!r} has no text in {locale}"
        assert not message.fuzzy
        assert sorted(re.findall(r"{\w+}", message.string)) == sorted(re.findall(r"{\w+}", text)), text
    assert tool.updated(package, locale) == tool.place(package, locale).read_bytes()


def test_a_message_that_nobody_translated_is_noticed(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "page.j2").write_text("<p>{{ _('Nobody has read this') }}</p>", encoding="utf-8")
    (tmp_path / "code.py").write_text("print(_('nor {this}', this=1))", encoding="utf-8")
    assert {message.id for message in tool.said(tmp_path) if message.id} == {"Nobody has read this", "nor {this}"}


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "en"),
        ("", "en"),
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("de, fr;q=0.5, en;q=0.4", "fr"),
        ("en;q=0.4, fr;q=0.5", "fr"),
        ("fr;q=0", "en"),
        ("*;q=0.1, en;q=0", "fr"),
        ("tlh, zz", "en"),
        ("fr;q=2", "en"),
        ("fr;q=0.1234", "en"),
        ("\x00, fr", "fr"),
    ],
)
def test_best_locale(header: str | None, locale: str) -> None:
    assert best_locale(header) == locale


@given(st.text(max_size=60))
def test_any_header_gives_a_language(header: str) -> None:
    assert best_locale(header) in LOCALES


def test_words_numbers_and_times() -> None:
    french, english = texts("fr"), texts("en")
    assert french("Page {page} of {pages}", page=1, pages=2) == "Page 1 sur 2"
    assert english("Page {page} of {pages}", page=1, pages=2) == "Page 1 of 2"
    assert french("no such message") == "no such message"
    assert french.money(Money(123_450, "EUR")) == "1\u202f234,50\xa0€"
    assert french.number(Decimal("8.8750")) == "8,875"
    zone = timezone(timedelta(hours=1))
    assert french.datetime(1_772_442_000_000_000_000, zone) == "2 mars 2026, 10:00:00 +0100"
    assert "March 2, 2026" in english.datetime(1_772_442_000_000_000_000)


def test_what_cannot_be_said() -> None:
    with pytest.raises(TextError, match="page"):
        texts("en")("Page {page} of {pages}", pages=2)
    with pytest.raises(TextError, match="tlh"):
        texts("tlh")
