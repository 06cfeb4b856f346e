"""Where adapters are chosen and put together; nothing is built at import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from billing.gateway import SandboxGateway
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore


@contextmanager
def open_billing(
    book: PriceBook, database: Path | None, sandbox: Path | None, policy: BillingPolicy
) -> Iterator[BillingService]:
    """Give billing with the sandbox gateway, on ``database`` or, without one, on a file that is thrown away.

    The sandbox keeps its own books in ``sandbox``, or in memory.
    """
    with ExitStack() as stack:
        if database is None:
            database = Path(stack.enter_context(TemporaryDirectory(prefix="tillfree-"))) / "billing.sqlite"
        books = BillingStore(database)
        stack.callback(books.close)
        yield BillingService(book, books, SandboxGateway(journal=sandbox), policy)
