"""Requests by their idempotency keys: once, whether the key is looked for first or found by the first write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from billing.db.access import request
from billing.errors import PassError, RequestReused
from billing.inbox import Answer, Inbox, Incoming
from billing.store import BillingStore
from billing.types import OpenVisit

ASKED = Incoming("gate", "key-1", "digest", "POST /v1/visits", "/v1/visits", 7)


@pytest.fixture
def store(database: Path | str) -> Iterator[BillingStore]:
    """Return a database that holds nothing."""
    store = BillingStore(database)
    yield store
    store.close()


@pytest.fixture(params=[True, False], ids=["looks first", "writes first"])
def looks_first(request: pytest.FixtureRequest) -> bool:
    """Say how a key is found."""
    return bool(request.param)


def opened(store: BillingStore, at_ns: int) -> Answer:
    """Open a visit that must not be there."""
    with store.transaction("v1") as books:
        books.add_visit(OpenVisit("v1", "card", at_ns), None)
    return Answer(201, f'{{"at_ns":{at_ns}}}')


def refused(_store: BillingStore, _at_ns: int) -> Answer:
    raise PassError("the pass has lapsed")


def test_the_same_key_again_is_answered_as_before(store: BillingStore, looks_first: bool) -> None:
    inbox = Inbox(store)
    assert inbox.handle(ASKED, opened, looks_first=looks_first) == (Answer(201, '{"at_ns":7}'), False)
    later = replace(ASKED, at_ns=9)
    assert inbox.handle(later, opened, looks_first=looks_first) == (Answer(201, '{"at_ns":7}'), True)


def test_what_would_be_refused_by_now_is_answered_as_before(store: BillingStore, looks_first: bool) -> None:
    inbox = Inbox(store)
    inbox.handle(ASKED, opened, looks_first=looks_first)
    assert inbox.handle(ASKED, refused, looks_first=looks_first) == (Answer(201, '{"at_ns":7}'), True)


def test_a_refusal_is_raised_and_the_key_is_free(store: BillingStore, looks_first: bool) -> None:
    inbox = Inbox(store)

    def refused_late(view: BillingStore, at_ns: int) -> Answer:
        with view.transaction("v1") as books:
            books.add_visit(OpenVisit("v1", "card", at_ns), None)
            raise PassError("the pass was used")

    for operation in (refused, refused_late):
        with pytest.raises(PassError):
            inbox.handle(ASKED, operation, looks_first=looks_first)
    with store.reading() as books:
        assert request(books, "gate", "key-1") is None
        assert books.visit("v1") is None
    assert inbox.handle(ASKED, opened, looks_first=looks_first)[1] is False


@pytest.mark.parametrize("operation", [opened, refused])
def test_the_same_key_for_something_else_is_refused(
    store: BillingStore, looks_first: bool, operation: Callable[[BillingStore, int], Answer]
) -> None:
    inbox = Inbox(store)
    inbox.handle(ASKED, opened, looks_first=looks_first)
    with pytest.raises(RequestReused):
        inbox.handle(replace(ASKED, digest="another"), operation, looks_first=looks_first)


def test_a_request_that_died_on_the_way_is_done_again_as_of_then(store: BillingStore, looks_first: bool) -> None:
    inbox = Inbox(store)

    def dies(view: BillingStore, at_ns: int) -> Answer:
        opened(view, at_ns)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inbox.handle(ASKED, dies, looks_first=looks_first)
    times: list[int] = []

    def again(view: BillingStore, at_ns: int) -> Answer:
        with view.transaction("v1") as books:  # as of now, this is taken back
            assert books.visit("v1") is not None
        times.append(at_ns)
        return Answer(201, "{}")

    assert inbox.handle(replace(ASKED, at_ns=9), again, looks_first=looks_first) == (Answer(201, "{}"), False)
    assert times == [7]


def test_what_is_refused_after_its_first_write_is_not_done_a_second_time(
    store: BillingStore, looks_first: bool
) -> None:
    """It is known by then, but by nobody else: to do it again is the caller's choice."""
    calls: list[int] = []

    def refused_after(view: BillingStore, at_ns: int) -> Answer:
        calls.append(at_ns)
        opened(view, at_ns)
        raise PassError("too late")

    with pytest.raises(PassError):
        Inbox(store).handle(ASKED, refused_after, looks_first=looks_first)
    assert calls == [7]
