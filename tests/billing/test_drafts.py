"""A cart while its shopper is in the store: its versions and what it would cost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import BillingError, ChargeStateError, PriceError, UnknownVisit, VersionConflict
from billing.pricebook import PriceBook
from billing.receipt import make_receipt
from billing.types import ChargeState, Draft, ItemCount, Receipt, ReceiptInput
from tests.billing.till import Till, counted

Tills = Callable[..., Till]


def put(shop: Till, at_ns: int = 100, if_version: int | None = None, **items: int) -> tuple[Draft, Receipt]:
    return shop.service.put_draft("visit-1", counted(items), at_ns, if_version)


def opened(till: Tills) -> Till:
    shop = till()
    shop.open()
    return shop


def test_each_change_is_a_version_and_has_a_price(till: Tills) -> None:
    shop = opened(till)
    assert shop.service.draft("visit-1", 50) is None
    draft, priced = put(shop, cola=1)
    assert (draft.version, draft.items, priced.total.minor) == (1, (ItemCount("cola", 1),), 149)
    draft, priced = put(shop, at_ns=200, juice=3, cola=1)
    assert (draft.version, draft.at_ns, priced.total.minor) == (2, 200, 351)
    assert shop.service.draft("visit-1", 200) == (draft, priced)
    assert shop.service.receipt("visit-1") is None
    assert shop.service.balances() == {}


def test_the_same_cart_again_is_no_change(till: Tills) -> None:
    shop = opened(till)
    first, _ = put(shop, cola=2, bread=1)
    for again in ({"cola": 2, "bread": 1}, {"bread": 1, "cola": 2}):
        assert put(shop, at_ns=900, **again)[0] == first
    one_by_one = tuple(ItemCount(sku, 1) for sku in ("cola", "bread", "cola"))
    assert shop.service.put_draft("visit-1", one_by_one, 900)[0] == first
    assert shop.topics() == ["visit.opened", "visit.draft"]


def test_a_change_names_the_version_that_it_changes(till: Tills) -> None:
    shop = opened(till)
    put(shop, if_version=0, cola=1)
    assert put(shop, if_version=1, cola=2)[0].version == 2
    with pytest.raises(VersionConflict, match="has version 2, not 1"):
        put(shop, if_version=1, cola=3)
    with pytest.raises(VersionConflict, match="has version 2, not 0"):
        put(shop, if_version=0, cola=3)
    assert put(shop, if_version=1, cola=2)[0].version == 2  # asked again by who did not hear the answer


def test_a_cart_may_be_emptied(till: Tills) -> None:
    shop = opened(till)
    put(shop, cola=1)
    draft, priced = put(shop)
    assert (draft.version, draft.items, priced.total.minor) == (2, (), 0)
    assert shop.leave().state is ChargeState.VOID


def test_a_draft_binds_nobody(till: Tills) -> None:
    shop = opened(till)
    put(shop, cola=1)
    assert shop.leave(bread=1).amount.minor == 289


def test_a_final_receipt_ends_the_draft(till: Tills) -> None:
    shop = opened(till)
    put(shop, cola=1)
    shop.leave(cola=1)
    with pytest.raises(ChargeStateError, match="its receipt is final"):
        put(shop, cola=2)
    with pytest.raises(ChargeStateError, match="its receipt is final"):
        put(shop, cola=1)
    found = shop.service.draft("visit-1", 2_000)
    assert found is not None
    assert found[0].version == 1


def test_what_is_no_cart_leaves_nothing_behind(till: Tills) -> None:
    shop = opened(till)
    with pytest.raises(PriceError, match="ghost"):
        put(shop, ghost=1)
    with pytest.raises(BillingError, match="quantity 0"):
        put(shop, cola=0)
    with pytest.raises(UnknownVisit, match="visit-9"):
        shop.service.put_draft("visit-9", (), 0)
    assert shop.service.draft("visit-1", 50) is None
    assert shop.service.draft("visit-9", 50) is None


def test_of_changes_at_once_to_one_version_one_wins(till: Tills) -> None:
    shop = opened(till)
    put(shop, cola=1)
    barrier, versions, lost = threading.Barrier(4), list[int](), list[VersionConflict]()

    def change(count: int) -> None:
        barrier.wait()
        try:
            versions.append(put(shop, if_version=1, cola=count)[0].version)
        except VersionConflict as conflict:
            lost.append(conflict)

    threads = [threading.Thread(target=change, args=(count,)) for count in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (versions, len(lost)) == ([2], 3)


SKUS = st.sampled_from(["cola", "bread", "juice", "water", "paper"])


@given(cart=st.dictionaries(SKUS, st.integers(1, 6)), is_member=st.booleans())
def test_a_draft_costs_what_its_receipt_would(book: PriceBook, cart: dict[str, int], is_member: bool) -> None:
    one_by_one = tuple(ItemCount(sku, 1) for sku, count in cart.items() for _ in range(count))
    first, second = (
        make_receipt(ReceiptInput("v", "t", 5, items, is_member), book) for items in (counted(cart), one_by_one)
    )
    assert first == second
