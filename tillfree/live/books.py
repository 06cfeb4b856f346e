"""The billing of a store that runs, embedded or elsewhere, with what gates ask of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from billing.access import Access
from billing.cards import CardDesk
from billing.gateway import Gateway
from billing.keyring import Keyring, open_keyring
from billing.outbox import Outbox
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.store import ONE_STORE_CACHE_KIB, BillingStore
from billing.types import BillingPort
from billing.worker import Worker, chores, forgetting
from store_layout.errors import InputError
from tillfree.bootstrap import BILLING_KEY, open_remote_billing
from tillfree.live.gate_books import GateBooks, GateUpkeep
from tillfree.live.keys import Keys, NodeKeys
from tillfree.live.pass_billing import PassBilling
from tillfree.live.passkeys import KeptPassKeys, OwnPassKeys, PassKeys
from tillfree.live.standing import BooksStanding, RefusedList, Standing, TimedStanding
from tillfree.live.storefile import Shop, StoreConfig
from tillfree.serving import (
    make_app,
    make_gateway,
    make_news,
    make_outbox,
    make_page,
    sandbox_journal,
    secrets_file,
    telling,
)
from tillfree.settings import RunSettings

DATABASE = "billing.sqlite"
NODE_KEYS = "node.keys"
_REFUSED = "refused.json"
_OPERATORS = "operators.sqlite"
_PASS_KEYS = "pass-keys.json"  # noqa: S105 - the name of a file
_TEND_EVERY_S = 10.0
_TELL_EVERY_S = 1.0
_UPKEEP_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """What the relay, the gates and the node's service need of billing. ``app`` is to be served, where there is one.

    ``counter`` is billing where it is in this process.
    """

    port: BillingPort
    standing: Standing
    pass_keys: PassKeys
    refused: RefusedList
    keys: Keys
    operators: Access
    workers: tuple[Worker, ...]
    app: FastAPI | None = None
    shop: Shop | None = None
    counter: BillingService | None = None


def open_books(
    config: StoreConfig,
    data: Path,
    settings: RunSettings,
    book: PriceBook,
    clock: Callable[[], int],
    tell: Callable[[str], None],
    stack: ExitStack,
) -> LiveBooks:
    """Open billing as the store file says; ``stack`` closes it. Raises InputError for what is missing or wrong."""
    if config.billing_url is not None:
        return _elsewhere(config, config.billing_url, data, settings, clock, tell, stack)
    return _embedded(config, data, settings, book, clock, tell, stack)


def _embedded(
    config: StoreConfig,
    data: Path,
    settings: RunSettings,
    book: PriceBook,
    clock: Callable[[], int],
    tell: Callable[[str], None],
    stack: ExitStack,
) -> LiveBooks:
    database = data / DATABASE
    store = BillingStore(database, ONE_STORE_CACHE_KIB)
    stack.callback(store.close)
    gateway, desk = make_gateway(config.gateway, sandbox_journal(database))
    keyring = open_keyring(secrets_file(database, None))
    shoppers = Shoppers(store, desk, keyring, settings.page.passes, settings.page.session_days * 86_400)
    service = BillingService(book, store, gateway, settings.billing)
    standing = TimedStanding(BooksStanding(service, shoppers), settings.gates.standing_ms)
    stack.callback(standing.close)
    outbox = make_outbox(store, settings.outbox, settings.mail, settings.page.zone)
    access = Access(store)
    app: FastAPI | None = None
    workers: tuple[Worker, ...] = ()
    if config.shop is None:
        stack.callback(outbox.close)
        workers = _workers(service, store, shoppers, outbox, clock, tell)
    else:  # the app has workers of its own, which do all that is to be done in these books
        outbox.close()
        app = _app(config, config.shop, database, (gateway, desk), keyring, settings, book, clock, tell)
    return LiveBooks(
        PassBilling(service, shoppers, clock),
        standing,
        OwnPassKeys(keyring, settings.page.passes),
        RefusedList(data / _REFUSED),
        access,
        access,
        workers,
        app,
        config.shop,
        service,
    )


def _workers(
    service: BillingService,
    store: BillingStore,
    shoppers: Shoppers,
    outbox: Outbox,
    clock: Callable[[], int],
    tell: Callable[[str], None],
) -> tuple[Worker, ...]:
    tasks = (*chores(service), forgetting(store), shoppers.forget_cards)
    return Worker(tasks, clock, _TEND_EVERY_S, tell), Worker(telling(outbox), clock, _TELL_EVERY_S, tell)


def _app(
    config: StoreConfig,
    shop: Shop,
    database: Path,
    made: tuple[Gateway, CardDesk],
    keyring: Keyring,
    settings: RunSettings,
    book: PriceBook,
    clock: Callable[[], int],
    tell: Callable[[str], None],
) -> FastAPI:
    """Return the shopper's page and billing's API, on connections of their own, which the app closes."""
    gateway, desk = made
    store = BillingStore(database, ONE_STORE_CACHE_KIB)
    page = make_page(store, desk, keyring, settings.page, shop.url or f"http://{shop.host}:{shop.port}")
    outbox = make_outbox(store, settings.outbox, settings.mail, settings.page.zone)
    news = make_news(config.gateway)
    return make_app(book, store, gateway, settings.billing, news=news, page=page, outbox=outbox, tell=tell, clock=clock)


def _elsewhere(
    config: StoreConfig,
    url: str,
    data: Path,
    settings: RunSettings,
    clock: Callable[[], int],
    tell: Callable[[str], None],
    stack: ExitStack,
) -> LiveBooks:
    remote = stack.enter_context(open_remote_billing(url, run_name(config.store.name)))
    books = GateBooks(url, os.environ[BILLING_KEY], limit_ms=settings.gates.standing_ms)
    stack.callback(books.close)
    pass_keys = KeptPassKeys(data / _PASS_KEYS, books.pass_keys)
    stack.callback(pass_keys.close)
    refused = RefusedList(data / _REFUSED)
    standing = TimedStanding(books, settings.gates.standing_ms)
    stack.callback(standing.close)
    upkeep = GateUpkeep(books, pass_keys, refused, settings.gates.keys_refresh_s)
    worker = Worker((upkeep,), clock, _UPKEEP_EVERY_S, tell)
    people = BillingStore(data / _OPERATORS)  # who may look at this store; nothing else is in these books
    stack.callback(people.close)
    return LiveBooks(remote, standing, pass_keys, refused, NodeKeys(data / NODE_KEYS), Access(people), (worker,))


def run_name(store_name: str) -> str:
    """Return what a service calls this store's visits by: its name, as ids may be written.

    Raises InputError for a name without a letter or digit.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", store_name).strip("-")
    if not name:
        raise InputError("has no letter or digit", field="name", mend="give the layout's store a name such as corner-1")
    return name[:40]
