"""Bring the catalogues up to date with the sources: ``.venv/bin/python tools/texts.py``.

Messages that are new get an empty translation, those that no source says any more go. A test fails while one is empty.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from billing.texts import LOCALES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("billing", "dashboard")
METHODS = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract"), ("**.js", "javascript")]
OPTIONS = {
    "**.j2": {"silent": "false"},  # a template that cannot be read is an error, not a template without messages
    "**.js": {"parse_template_string": "true"},  # HTML stands in template strings
}
KEYWORDS = {"_": None}


def said(sources: Path) -> Catalog:
    """Return every message below ``sources``, with the files that say it."""
    catalog = Catalog()
    for name, line, message, comments, context in extract_from_dir(
        sources, METHODS, OPTIONS, KEYWORDS, comment_tags=("Translators:",)
    ):
        catalog.add(message, locations=[(f"{sources.name}/{name}", line)], auto_comments=comments, context=context)
    return catalog


def place(package: str, locale: str) -> Path:
    """Return where a package's catalogue of ``locale`` lies."""
    return ROOT / package / "locales" / locale / "messages.po"


def updated(package: str, locale: str) -> bytes:
    """Return a package's catalogue with the messages of its sources and the translations that it has, below its own header.

    The header stays, since Babel's has dates, which would change when nothing else does.
    """
    before = place(package, locale).read_bytes()
    catalog = read_po(BytesIO(before), locale=locale, abort_invalid=True)
    catalog.update(said(ROOT / package), no_fuzzy_matching=True)
    after = BytesIO()
    write_po(after, catalog, 120, omit_header=True, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    return before.partition(b"\n\n")[0] + b"\n\n" + after.getvalue().strip() + b"\n"


def main() -> None:
    """Write the catalogues."""
    for package in PACKAGES:
        for locale in LOCALES[1:]:
            place(package, locale).write_bytes(updated(package, locale))


if __name__ == "__main__":
    main()
