"""The stock of a store that runs: its book beside the store's others, and the log that it is kept from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dashboard.stock.book import BookError, StockBook
from dashboard.stock.desk import StockDesk
from dashboard.stock.settings import StockSettings
from store_layout.errors import InputError
from store_layout.model import Store
from tillfree.live.history import Restored, restored_events

STOCK = "stock.sqlite"


@dataclass(frozen=True, slots=True)
class LiveLog:
    """A stock's ``Log``: the folder of segments, and what the last of them said at the start."""

    folder: Path
    restored: Restored

    def whole(self) -> Iterator[object]:
        """See ``Log.whole``. Raises EventLogError where a segment cannot be read."""
        return restored_events(self.folder)

    def recent(self) -> Iterable[object]:
        """See ``Log.recent``: no visit was open when the last segment began."""
        return (*self.restored.fold.interactions.values(), *self.restored.checkout_events)


def open_stock(
    store: Store, data: Path, settings: StockSettings, clock: Callable[[], int], log: LiveLog, stack: ExitStack
) -> StockDesk:
    """Open the stock and bring it up to the log; ``stack`` closes it. Raises InputError where its book cannot be used."""
    try:
        book = StockBook(data / STOCK)
        stack.callback(book.close)
        desk = StockDesk(store, book, settings, clock)
        desk.begin(log)
    except BookError as error:
        mend = "give this user the file, or move it away: it is then made anew from the log, without counts"
        raise InputError(f"cannot be used: {error}", file=data / STOCK, mend=mend) from error
    return desk
