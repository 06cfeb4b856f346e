"""Where adapters are chosen and put together; nothing is built at import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from billing.gateway import SandboxGateway
from billing.policy import BillingPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.store import BillingStore
from store_layout.errors import InputError
from tillfree.remote_billing import RemoteBilling

BILLING_KEY = "TILLFREE_BILLING_KEY"
"""The environment variable with the key of a billing service: a secret has no place on a command line."""


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


@contextmanager
def open_remote_billing(url: str, run: str) -> Iterator[RemoteBilling]:
    """Give billing that runs as a service at ``url``, with the visits of ``run``.

    Raises InputError where there is no key, or ``url`` is none.
    """
    key = os.environ.get(BILLING_KEY)
    if not key:
        mend = "set it to a key with the scopes gate and vision (tillfree billing keys add)"
        raise InputError("the service's key is missing", field=BILLING_KEY, mend=mend)
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url!r} is no URL", field="--billing", mend="write one such as http://127.0.0.1:8300")
    with closing(RemoteBilling(url, key, run)) as remote:
        yield remote
