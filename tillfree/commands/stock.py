"""``tillfree stock``: what slots seem to hold, what to bring, or what was sold, as a file; while the store runs or not."""

from __future__ import annotations

import json
import os
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dashboard.errors import DashboardError
from dashboard.stock import export
from dashboard.stock.book import BookError, StockBook
from dashboard.stock.desk import StockDesk
from store_layout.errors import InputError
from tillfree.live.stock import STOCK
from tillfree.live.storefile import load_store_file
from tillfree.settings import load_settings
from tillfree.system import system_clock


class What(StrEnum):
    """What is written."""

    PROPOSALS = "proposals"
    LEVELS = "levels"
    SALES = "sales"


def stock(
    store: Annotated[Path, typer.Argument(metavar="STORE.yaml", help="The store file.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The file: .csv for a spreadsheet, .json for a program.", show_default=False),
    ],
    what: Annotated[What, typer.Option(help="What to write: what to bring, levels, or sales.")] = What.PROPOSALS,
    days: Annotated[int, typer.Option(min=1, max=366, help="Sales: today and the days before.")] = 7,
    data: Annotated[Path | None, typer.Option(help="The store's data folder, if it is another.")] = None,
) -> None:
    """Write a store's stock, what to bring, or sales to a file."""
    if out.suffix not in (".csv", ".json"):
        raise InputError("ends in neither .csv nor .json", field="--out", mend="name a file such as bring.csv")
    config = load_store_file(store, os.environ)
    settings = load_settings(config.settings_path).stock
    file = (config.data_dir if data is None else data) / STOCK
    if not file.is_file():
        mend = "run the store with a dashboard first, or give --data"
        raise InputError("there is no such book", file=file, mend=mend)
    try:
        with closing(StockBook(file, read_only=True)) as book:
            desk = StockDesk(config.store, book, settings, system_clock)
            text = _text(desk, what, days, as_csv=out.suffix == ".csv")
    except (BookError, DashboardError) as error:
        raise InputError(f"cannot be read: {error}", file=file, mend="give this user the file") from error
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=out, mend="name another file") from error


def _text(desk: StockDesk, what: What, days: int, *, as_csv: bool) -> str:
    name = desk.store.name
    match what:
        case What.SALES:
            sales = desk.sales(days)
            return export.sales_csv(sales) if as_csv else _json(export.sales_document(name, sales))
        case What.LEVELS:
            now = desk.now()
            if as_csv:
                return export.levels_csv(now.slots, desk.names)
            return _json(export.levels_document(name, now.at_ns, now.slots, desk.names))
        case _:
            now = desk.now()
            return (
                export.proposals_csv(now.proposals)
                if as_csv
                else _json(export.proposals_document(name, now.at_ns, now.proposals))
            )


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
