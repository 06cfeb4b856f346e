"""Billing as a service of its own: what ``tillfree billing serve`` starts."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import tzinfo
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import anyio.to_thread
import uvicorn
from fastapi import FastAPI

from billing.cards import CardDesk
from billing.gateway import Gateway, SandboxGateway
from billing.http.app import create_app
from billing.http.calls import GatewayNews, NewsReader
from billing.http.page.base import Page
from billing.httpx_sender import HttpxSender
from billing.keyring import Keyring
from billing.lookup import Lookup
from billing.mail import Mailer
from billing.outbox import Outbox, Sender, SenderByScheme
from billing.page_settings import PageSettings
from billing.policy import BillingPolicy, MailPolicy, OutboxPolicy
from billing.pricebook import PriceBook
from billing.sandbox_cards import SandboxCardDesk
from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.smtp import SmtpPost
from billing.store import BillingStore
from billing.stripe_cards import StripeCardDesk
from billing.stripe_gateway import StripeGateway, read_webhook
from billing.worker import Task, Worker, chores, forgetting
from store_layout.errors import InputError
from tillfree.system import settle_memory, system_clock

_THREADS = 8
"""Calls worked on at once: two cores have no use for more, and each may hold a database connection."""

_TELL_EVERY_S = 1.0
"""Seconds between rounds of the outbox: as late as a till should hear of a payment."""

_STOP_S = 10.0
"""Seconds that a server has to answer open calls when it is told to stop."""

MAIL_PASSWORD = "TILLFREE_MAIL_PASSWORD"  # noqa: S105 - the name of the variable
"""The environment variable with the mail server's password."""

STRIPE_KEY = "STRIPE_API_KEY"
"""The environment variable with Stripe's key: a secret has no place on a command line."""


STRIPE_WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - the name of the variable
"""The environment variable with the secret that Stripe signs its webhooks with (``whsec_...``)."""


def database_of(name: str) -> Path | str:
    """Return what a command line names: PostgreSQL's URL, or SQLite's file."""
    return name if "://" in name else Path(name)


def sandbox_journal(database: Path | str) -> Path | None:
    """Return where the sandbox beside a database keeps its books; None beside PostgreSQL, which is no file."""
    return database.with_name(f"{database.name}.sandbox.jsonl") if isinstance(database, Path) else None


def secrets_file(database: Path | str, named: Path | None) -> Path:
    """Return where the store's secrets are: ``named``, or beside SQLite's file.

    Raises:
        InputError: the database is PostgreSQL, which no file is beside, and none is named.
    """
    if named is not None:
        return named
    if not isinstance(database, Path):
        raise InputError("there is no place for the store's secrets", field="--secrets", mend="name a file")
    return database.with_name(f"{database.name}.secrets")


def make_gateway(kind: str, journal: Path | None) -> tuple[Gateway, CardDesk]:
    """Return the gateway called ``kind``, sandbox or stripe, and the desk where its cards are registered.

    Raises:
        InputError: the kind is not known, or Stripe's key is missing.
    """
    if kind == "sandbox":
        cards = None if journal is None else journal.with_suffix(".cards.jsonl")
        desk = SandboxCardDesk(journal=cards)
        return SandboxGateway(journal=journal, on_file=desk.on_file), desk
    if kind != "stripe":
        raise InputError(f"there is no gateway {kind!r}", field="--gateway", mend="choose sandbox or stripe")
    key = os.environ.get(STRIPE_KEY)
    if not key:
        raise InputError("Stripe's key is missing", field=STRIPE_KEY, mend="set this environment variable")
    return StripeGateway(key), StripeCardDesk(key)


def make_page(store: BillingStore, desk: CardDesk, keyring: Keyring, settings: PageSettings, url: str) -> Page:
    """Return the shopper's page, which shoppers reach at ``url``.

    Raises:
        InputError: ``url`` is no http(s) address, or has a path.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise InputError(f"{url!r} is no address of a site", field="--url", mend="write https://shop.example")
    shoppers = Shoppers(store, desk, keyring, settings.passes, settings.session_days * 86_400)
    lookup = Lookup(store, keyring.mark_key, settings.zone)
    return Page(shoppers, lookup, desk, settings, url.rstrip("/"), keyring.form_key)


def make_news(kind: str) -> NewsReader | None:
    """Return what reads the webhooks of the gateway called ``kind``; None where it has none, or their secret is not set."""
    secret = os.environ.get(STRIPE_WEBHOOK_SECRET)
    if kind != "stripe" or not secret:
        return None

    def read(body: bytes, signature: str, at_ns: int) -> GatewayNews:
        told = read_webhook(body, signature, secret, at_ns)
        return GatewayNews(told.event_id, told.kind, told.key)

    return read


def make_outbox(store: BillingStore, policy: OutboxPolicy, mail: MailPolicy | None, zone: tzinfo) -> Outbox:
    """Return what tells the store's own systems what happens, and mails receipts where ``mail`` says by which server.

    Raises:
        InputError: the mail server wants a password, and none is set.
    """
    https = HttpxSender()
    senders: dict[str, Sender] = {"https": https, "http": https}
    if mail is not None:
        try:
            post = SmtpPost(mail, os.environ.get(MAIL_PASSWORD))
        except ValueError as error:
            raise InputError(str(error), field=MAIL_PASSWORD, mend="set this environment variable") from error
        mailer = Mailer(store, post, mail, zone)
        mailer.register(system_clock())
        senders["mail"] = mailer
    return Outbox(store, SenderByScheme(senders), policy)


def telling(outbox: Outbox) -> tuple[Task, ...]:
    """Return what an outbox does again and again: deliver while anything arrives, forget what is old."""

    def deliver(at_ns: int) -> None:
        while outbox.deliver_due(at_ns).delivered:
            pass

    def prune(at_ns: int) -> None:
        outbox.prune(at_ns - int(outbox.policy.keep_days * 86_400 * 10**9))

    return deliver, prune


def make_app(
    book: PriceBook,
    store: BillingStore,
    gateway: Gateway,
    policy: BillingPolicy,
    *,
    news: NewsReader | None = None,
    page: Page | None = None,
    outbox: Outbox | None = None,
    tend_every_s: float = 10.0,
    tell: Callable[[str], None] = print,
    clock: Callable[[], int] = system_clock,
) -> FastAPI:
    """Return the app with its workers.

    One tends to what is unknown and owed every ``tend_every_s`` seconds, one tells others what happened every second.
    """
    service = BillingService(book, store, gateway, policy)
    page_tasks = () if page is None else (page.shoppers.forget_cards,)
    tasks = (*chores(service), forgetting(store), *page_tasks)
    workers = [Worker(tasks, clock, tend_every_s, tell)]
    if outbox is not None:
        workers.append(Worker(telling(outbox), clock, _TELL_EVERY_S, tell))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            for worker in workers:
                worker.stop()
            if outbox is not None:
                outbox.close()
            store.close()

    return create_app(service, store, clock, news=news, page=page, outbox=outbox, lifespan=lifespan)


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM; open calls are answered first. uvicorn takes uvloop and httptools where they are installed."""
    settle_memory()
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, date_header=False)


class ServerThread:
    """Serves an app from a thread of its own, in a process that has more to do."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Take the port. Raises InputError where another program has it."""
        self.address = f"http://{host}:{port}"
        try:
            self._socket = socket.create_server((host, port), family=_family(host))
        except OSError as error:
            mend = "choose another in the store file, or end the other program"
            raise InputError(
                f"{host}:{port} cannot be listened on: {error.strerror}", field="port", mend=mend
            ) from error
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=int(_STOP_S // 2),
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name=f"http-{port}", daemon=True)

    def start(self) -> None:
        """Begin; a server begins once. What is sent before it listens waits in the socket."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End once open calls are answered, or after a few seconds."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
        self._socket.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
