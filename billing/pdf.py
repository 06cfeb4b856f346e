"""Receipts as PDF: an 80 mm roll, to keep, to read on a phone and to print on whatever is there.

See docs/adr/0015 for the format. Everything is wrapped and measured first, then shared out among pages, then drawn. The
same receipt gives the same bytes: the time in the file is the receipt's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue
from fpdf.fonts import TTFFont

from billing.errors import TextError
from billing.receipt_view import ReceiptView, Row, view_of
from billing.texts import Texts, texts
from billing.types import Charge, ChargeState, Receipt

_PAGE_WIDTH_MM = 80.0
"""The paper of receipt printers."""
_MARGIN_MM = 5.0
"""What receipt printers leave free is 4 mm: they print 72 mm of 80."""
_CONTENT_MM = _PAGE_WIDTH_MM - 2 * _MARGIN_MM
_TALLEST_MM = 260.0
"""A page is as tall as its receipt, but no taller than what US Letter (279.4 mm) and A4 (297 mm) can print at full size."""
_FOOT_MM = 6.0
_LINE_HEIGHT = 1.32
_MM_PER_POINT = 25.4 / 72
_COLUMN_GAP_MM = 3.0
_INDENT_MM = 3.0
_WIDEST_AMOUNT = 0.5
"""An amount that takes more of the width than this stands below its name, not beside it."""

Rgb = tuple[int, int, int]

_INK: Rgb = (26, 26, 26)
_GREY: Rgb = (98, 98, 98)
_GREEN: Rgb = (24, 84, 33)
_RED: Rgb = (138, 34, 21)
_AMBER: Rgb = (107, 79, 0)
_PALE_GREY: Rgb = (238, 238, 238)
_PALE_GREEN: Rgb = (223, 243, 224)
_PALE_RED: Rgb = (251, 225, 221)
_PALE_AMBER: Rgb = (253, 241, 208)

_STATE_COLOURS: dict[ChargeState | None, tuple[Rgb, Rgb]] = {
    None: (_INK, _PALE_GREY),
    ChargeState.UNKNOWN: (_AMBER, _PALE_AMBER),
    ChargeState.CAPTURED: (_GREEN, _PALE_GREEN),
    ChargeState.DECLINED: (_RED, _PALE_RED),
    ChargeState.NEEDS_SHOPPER: (_AMBER, _PALE_AMBER),
    ChargeState.VOID: (_INK, _PALE_GREY),
    ChargeState.WAIVED: (_INK, _PALE_GREY),
}


@dataclass(frozen=True, slots=True)
class _Style:
    """Letters: their size in points, weight and colour."""

    size_pt: float
    bold: bool = False
    colour: Rgb = _INK

    @property
    def line_mm(self) -> float:
        return self.size_pt * _MM_PER_POINT * _LINE_HEIGHT


_TITLE = _Style(12, bold=True)
_HEAD = _Style(7.5, colour=_GREY)
_ITEM = _Style(8.5)
_OFFER = replace(_ITEM, colour=_GREEN)
_DEPOSIT = replace(_ITEM, colour=_GREY)
_NOTE = _Style(7, colour=_GREY)
_TOTAL = _Style(12, bold=True)
_SAVED = _Style(8, colour=_GREEN)
_STATE = _Style(9, bold=True)
_SMALL = _Style(6, colour=_GREY)
_EMPTY = _Style(8.5, colour=_GREY)

_ROW_STYLES = {
    "product": _ITEM,
    "deposit": _DEPOSIT,
    "promotion": _OFFER,
    "total": _TOTAL,
    "tax": _NOTE,
    "saved": _SAVED,
}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of letters within a block; ``left_mm`` from the margin, ``top_mm`` from the block's top."""

    text: str
    style: _Style
    align: Align
    left_mm: float
    top_mm: float
    width_mm: float


@dataclass(frozen=True, slots=True)
class _Block:
    """What is never split between pages; ``fill`` is the colour behind it, ``rule`` a line in its middle."""

    height_mm: float
    lines: tuple[_Line, ...] = ()
    fill: Rgb | None = None
    rule: bool = False


def render_pdf(
    receipt: Receipt,
    charge: Charge | None = None,
    title: str | None = None,
    locale: str = "en",
    zone: dt.tzinfo = dt.UTC,
) -> bytes:
    """Return a receipt as a PDF file, the same bytes for the same receipt, charge and settings.

    Raises TextError for a locale without texts, and where matplotlib's fonts are not there.
    """
    view, _ = view_of(receipt, charge, title, locale, zone), texts(locale)
    with _file(view) as ruler:
        ruler.add_page()  # fpdf2 measures on a page alone, and this one has a height of its own
        pages = _pages(_groups(ruler, view, _))
    with _file(view) as pdf:
        for number, blocks in enumerate(pages, 1):
            foot = _("Page {page} of {pages}", page=number, pages=len(pages)) if len(pages) > 1 else ""
            _draw_page(pdf, blocks, foot)
        return bytes(pdf.output())


@contextmanager
def _file(view: ReceiptView) -> Iterator[FPDF]:
    """Give an empty file; the fonts' files are closed after it."""
    pdf = FPDF(unit="mm", format=(_PAGE_WIDTH_MM, _TALLEST_MM))
    pdf.set_auto_page_break(auto=False)
    pdf.set_margin(0)
    pdf.c_margin = 0
    pdf.set_title(f"{view.title} {view.visit_id}")
    pdf.set_lang(view.locale)
    pdf.set_creation_date(view.issued_at)
    folder = _fonts()
    pdf.add_font("receipt", "", folder / "DejaVuSans.ttf")
    pdf.add_font("receipt", "B", folder / "DejaVuSans-Bold.ttf")
    try:
        yield pdf
    finally:
        for font in pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.close()


def _fonts() -> Path:
    """Return the folder of DejaVu Sans, which comes with matplotlib; matplotlib is found, not imported: it is slow."""
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else None
    if folder is None or not (folder / "DejaVuSans.ttf").is_file():
        raise TextError("no font to write a PDF with: install matplotlib from PyPI, which brings DejaVu Sans")
    return folder


def _groups(pdf: FPDF, view: ReceiptView, _: Texts) -> Iterator[list[_Block]]:
    """Yield what belongs together, from top to bottom."""
    head = [(view.title, _TITLE), (view.issued, _HEAD), (_("Visit {visit}", visit=view.visit_id), _HEAD)]
    yield [_centred(pdf, text, style) for text, style in head] + [_RULE]
    for row in view.items:
        yield [_row(pdf, row), _gap(0.7)]
    if not view.items:
        yield [_centred(pdf, view.empty, _EMPTY)]
    sums = (view.total, *view.taxes, *view.savings)
    ink, paper = _STATE_COLOURS[view.state]
    banner = _centred(pdf, view.charged, replace(_STATE, colour=ink), padding_mm=1.6)
    paid = [_centred(pdf, _("Payment {reference}", reference=view.reference), _HEAD)] if view.reference else []
    half = len(view.digest) // 2
    digest = [_("Receipt’s SHA-256"), view.digest[:half], view.digest[half:]]
    foot = [_gap(1.5), *(_centred(pdf, text, _SMALL) for text in digest)]
    rows = [_row(pdf, row) for row in sums]
    yield [_RULE, *rows, _gap(3), replace(banner, fill=paper), _gap(1.2), *paid, *foot]


_RULE = _Block(4.0, rule=True)


def _gap(height_mm: float) -> _Block:
    return _Block(height_mm)


def _centred(pdf: FPDF, text: str, style: _Style, padding_mm: float = 0.0) -> _Block:
    lines = _set(pdf, text, style, Align.C, 0.0, padding_mm, _CONTENT_MM)
    return _Block(2 * padding_mm + len(lines) * style.line_mm, lines)


def _row(pdf: FPDF, row: Row) -> _Block:
    """Lay out a name on the left, its amount on the right, and its notes below."""
    style = _ROW_STYLES[row.kind]
    left_mm = _INDENT_MM if row.part else 0.0
    amount_mm = _width(pdf, row.amount, style)
    beside = amount_mm <= _WIDEST_AMOUNT * _CONTENT_MM
    room_mm = _CONTENT_MM - left_mm - (amount_mm + _COLUMN_GAP_MM if beside else 0.0)
    names = _set(pdf, row.name, style, Align.L, left_mm, 0.0, room_mm)
    below_mm = len(names) * style.line_mm
    amounts = _set(pdf, row.amount, style, Align.R, 0.0, 0.0 if beside else below_mm, _CONTENT_MM)
    lines = [*names, *amounts]
    below_mm += 0.0 if beside else len(amounts) * style.line_mm
    for note in row.notes:
        noted = _set(pdf, note, _NOTE, Align.L, _INDENT_MM, below_mm, _CONTENT_MM - _INDENT_MM)
        below_mm += len(noted) * _NOTE.line_mm
        lines += noted
    return _Block(below_mm, tuple(lines))


def _set(
    pdf: FPDF, text: str, style: _Style, align: Align, left_mm: float, top_mm: float, width_mm: float
) -> tuple[_Line, ...]:
    """Break a text into lines of at most ``width_mm``, at blanks where there are some."""
    _use(pdf, style)
    broken = pdf.multi_cell(width_mm, text=text, dry_run=True, output=MethodReturnValue.LINES)
    assert isinstance(broken, list)  # what LINES asks for
    return tuple(
        _Line(str(line), style, align, left_mm, top_mm + number * style.line_mm, width_mm)
        for number, line in enumerate(broken)
    )


def _width(pdf: FPDF, text: str, style: _Style) -> float:
    _use(pdf, style)
    return pdf.get_string_width(text)


def _use(pdf: FPDF, style: _Style) -> None:
    pdf.set_font("receipt", "B" if style.bold else "", style.size_pt)
    pdf.set_text_color(*style.colour)


def _pages(groups: Iterable[Sequence[_Block]]) -> list[list[_Block]]:
    """Fill pages from the top; a group that is taller than a page alone gets a taller page."""
    room_mm = _TALLEST_MM - 2 * _MARGIN_MM - _FOOT_MM
    pages: list[list[_Block]] = [[]]
    for group in groups:
        height_mm = sum(block.height_mm for block in (*pages[-1], *group))
        if pages[-1] and height_mm > room_mm:
            pages.append([])
        pages[-1] += group
    return pages


def _draw_page(pdf: FPDF, blocks: Sequence[_Block], foot: str) -> None:
    content_mm = sum(block.height_mm for block in blocks)
    pdf.add_page(format=(_PAGE_WIDTH_MM, 2 * _MARGIN_MM + content_mm + (_FOOT_MM if foot else 0.0)))
    top_mm = _MARGIN_MM
    for block in blocks:
        _draw(pdf, block, top_mm)
        top_mm += block.height_mm
    if foot:
        _draw_line(pdf, _Line(foot, _HEAD, Align.C, 0.0, _FOOT_MM - _HEAD.line_mm, _CONTENT_MM), top_mm)


def _draw(pdf: FPDF, block: _Block, top_mm: float) -> None:
    if block.fill is not None:
        pdf.set_fill_color(*block.fill)
        pdf.rect(_MARGIN_MM, top_mm, _CONTENT_MM, block.height_mm, style="F", round_corners=True, corner_radius=1.2)
    if block.rule:
        middle_mm = top_mm + block.height_mm / 2
        pdf.set_draw_color(*_GREY)
        pdf.set_line_width(0.2)
        pdf.set_dash_pattern(dash=1.0, gap=0.8)
        pdf.line(_MARGIN_MM, middle_mm, _PAGE_WIDTH_MM - _MARGIN_MM, middle_mm)
    for line in block.lines:
        _draw_line(pdf, line, top_mm)


def _draw_line(pdf: FPDF, line: _Line, top_mm: float) -> None:
    _use(pdf, line.style)
    pdf.set_xy(_MARGIN_MM + line.left_mm, top_mm + line.top_mm)
    pdf.cell(line.width_mm, line.style.line_mm, line.text, align=line.align)
