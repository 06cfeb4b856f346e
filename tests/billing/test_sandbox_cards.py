"""The sandbox's card desk: its form, its test cards, its journal."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.cards import CardOnFile
from billing.errors import BillingError, CardDeclined, CardFormError, GatewayRefused
from billing.gateway import SANDBOX_ASKS, SANDBOX_DECLINED
from billing.sandbox_cards import TEST_CARDS, CardFlaw, SandboxCardDesk
from billing.texts import best_locale, texts

BACK = "https://shop.example/account"
PAYS = "4242424242424242"
NOW_NS = int(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def desk() -> SandboxCardDesk:
    return SandboxCardDesk("https://shop.example/")


def begun(desk: SandboxCardDesk, key: str = "ada:1") -> str:
    return desk.begin("ada", BACK, key).reference


def filled(desk: SandboxCardDesk, number: str = PAYS, expiry: str = "04/30", cvc: str = "123") -> CardOnFile:
    reference = begun(desk, f"{number}{expiry}{cvc}")
    assert desk.submit(reference, number, expiry, cvc, NOW_NS) == BACK
    card = desk.finish(reference)
    assert card is not None
    return card


def flaws(desk: SandboxCardDesk, number: str = PAYS, expiry: str = "04/30", cvc: str = "123") -> dict[str, str]:
    reference = begun(desk, "wrong")
    with pytest.raises(CardFormError) as error:
        desk.submit(reference, number, expiry, cvc, NOW_NS)
    assert desk.finish(reference) is None
    for typed in (number.strip(), cvc.strip()):
        assert not typed or typed not in str(error.value)
    return error.value.fields


def test_forms_have_addresses_that_cannot_be_guessed(desk: SandboxCardDesk) -> None:
    forms = [desk.begin("ada", BACK, f"ada:{n}") for n in range(50)]
    assert {len(form.reference) for form in forms} == {32}
    assert len({form.reference for form in forms}) == 50
    assert forms[0].url == f"https://shop.example/sandbox/card/{forms[0].reference}"
    assert SandboxCardDesk().begin("ada", BACK, "ada:1").url.startswith("/sandbox/card/")


@pytest.mark.parametrize(
    "typed", ["4242 4242 4242 4242", " 4242-4242-4242-4242 ", "42424242 42424242", "4242\u00a04242\u00a04242\u00a04242"]
)
def test_numbers_as_people_write_them(desk: SandboxCardDesk, typed: str) -> None:
    assert filled(desk, typed).last4 == "4242"


@pytest.mark.parametrize(
    ("number", "flaw"),
    [
        ("", CardFlaw.MISSING),
        ("  ", CardFlaw.MISSING),
        ("4242424242424241", CardFlaw.INVALID),
        ("4242", CardFlaw.INVALID),
        ("42424242424242424242", CardFlaw.INVALID),
        ("4242 4242 4242 424x", CardFlaw.INVALID),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", CardFlaw.INVALID),
        ("4111111111111111", CardFlaw.NOT_A_TEST_CARD),
    ],
)
def test_numbers_that_are_none_or_may_be_real(desk: SandboxCardDesk, number: str, flaw: CardFlaw) -> None:
    assert flaws(desk, number) == {"number": flaw}


@pytest.mark.parametrize(
    ("expiry", "expires"),
    [
        ("04/30", "2030-04"),
        ("4/30", "2030-04"),
        (" 04 / 2030 ", "2030-04"),
        ("04-30", "2030-04"),
        ("0430", "2030-04"),
        ("042030", "2030-04"),
        ("11/26", "2026-11"),
        ("12/99", "2099-12"),
    ],
)
def test_expiry_as_people_write_it(desk: SandboxCardDesk, expiry: str, expires: str) -> None:
    assert filled(desk, expiry=expiry).expires == expires


@pytest.mark.parametrize(
    ("expiry", "flaw"),
    [
        ("", CardFlaw.MISSING),
        ("13/30", CardFlaw.INVALID),
        ("00/30", CardFlaw.INVALID),
        ("2030-04", CardFlaw.INVALID),
        ("430", CardFlaw.INVALID),
        ("04/030", CardFlaw.INVALID),
        ("٠٤/٣٠", CardFlaw.INVALID),
        ("10/26", CardFlaw.PAST),
        ("12/25", CardFlaw.PAST),
        ("04/1999", CardFlaw.PAST),
    ],
)
def test_expiry_that_is_none_or_over(desk: SandboxCardDesk, expiry: str, flaw: CardFlaw) -> None:
    assert flaws(desk, expiry=expiry) == {"expiry": flaw}


def test_a_card_is_good_until_its_month_ends(desk: SandboxCardDesk) -> None:
    reference = begun(desk)
    with pytest.raises(CardFormError, match="past"):
        desk.submit(reference, PAYS, "11/26", "123", NOW_NS + 10**9)
    desk.submit(reference, PAYS, "11/26", "123", NOW_NS)


@pytest.mark.parametrize(
    ("cvc", "flaw"),
    [
        ("", CardFlaw.MISSING),
        ("12", CardFlaw.INVALID),
        ("1234", CardFlaw.INVALID),
        ("12x", CardFlaw.INVALID),
        ("١٢٣", CardFlaw.INVALID),
    ],
)
def test_security_codes(desk: SandboxCardDesk, cvc: str, flaw: CardFlaw) -> None:
    assert flaws(desk, cvc=cvc) == {"cvc": flaw}


def test_some_cards_have_longer_security_codes(desk: SandboxCardDesk) -> None:
    assert filled(desk, "3782 822463 10005", cvc="1234").brand == "amex"
    assert flaws(desk, "378282246310005") == {"cvc": CardFlaw.INVALID}


def test_all_that_is_wrong_is_said_at_once(desk: SandboxCardDesk) -> None:
    assert flaws(desk, "", "10/26", "1") == {
        "number": CardFlaw.MISSING,
        "expiry": CardFlaw.PAST,
        "cvc": CardFlaw.INVALID,
    }


@given(number=st.text(max_size=25), expiry=st.text(max_size=10), cvc=st.text(max_size=5))
def test_nonsense_is_told_as_such(number: str, expiry: str, cvc: str) -> None:
    desk = SandboxCardDesk()
    with pytest.raises(CardFormError) as error:
        desk.submit(begun(desk), number, expiry, cvc, NOW_NS)
    assert error.value.fields


@given(st.from_regex(r"[0-9]{11,18}", fullmatch=True))
def test_one_digit_in_ten_passes_the_check(digits: str) -> None:
    desk = SandboxCardDesk()
    found = [
        flaws(desk, f"{digits}{check}").get("number") for check in range(10) if f"{digits}{check}" not in TEST_CARDS
    ]
    assert found.count(CardFlaw.NOT_A_TEST_CARD) + (10 - len(found)) == 1


def test_tokens_say_what_the_gateway_shall_do(desk: SandboxCardDesk) -> None:
    starts = {"declined": SANDBOX_DECLINED, "asks": SANDBOX_ASKS, "pays": "sandbox-card-"}
    for number, known in TEST_CARDS.items():
        if known.kind != "refused":
            card = filled(desk, number, cvc="1" * known.cvc_digits)
            assert card.token.startswith(starts[known.kind])
            assert known.kind != "pays" or not card.token.startswith((SANDBOX_DECLINED, SANDBOX_ASKS))


def test_the_first_card_stands(desk: SandboxCardDesk) -> None:
    reference = begun(desk)
    desk.submit(reference, PAYS, "04/30", "123", NOW_NS)
    card = desk.finish(reference)
    assert desk.submit(reference, "5555555555554444", "04/30", "123", NOW_NS) == BACK
    assert desk.submit(reference, "", "", "", NOW_NS) == BACK
    assert desk.finish(reference) == card


def test_a_form_that_is_sent_twice_at_a_time_gives_one_card(desk: SandboxCardDesk) -> None:
    reference = begun(desk)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: desk.submit(reference, PAYS, "04/30", "123", NOW_NS), range(64)))
    card = desk.finish(reference)
    assert card is not None
    assert [token for token in desk._tokens if desk.on_file(token)] == [card.token]


def test_unknown_forms_have_no_page(desk: SandboxCardDesk) -> None:
    with pytest.raises(GatewayRefused):
        desk.form_html("unknown", "en")
    with pytest.raises(GatewayRefused):
        desk.submit("unknown", PAYS, "04/30", "123", NOW_NS)


# The journal.


def test_a_desk_remembers_by_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "cards.jsonl"
    first = SandboxCardDesk(journal=journal)
    waiting, refused, done, gone = (begun(first, f"ada:{n}") for n in range(4))
    first.submit(refused, "4000000000000127", "04/30", "123", NOW_NS)
    for reference in (done, gone):
        first.submit(reference, "5555 5555 5555 4444", "04/30", "987", NOW_NS)
    card, forgotten = first.finish(done), first.finish(gone)
    assert card is not None
    assert forgotten is not None
    first.forget(forgotten.token)
    second = SandboxCardDesk(journal=journal)
    assert (second.finish(waiting), second.finish(done)) == (None, card)
    assert (second.on_file(card.token), second.on_file(forgotten.token)) == (True, False)
    assert begun(second, "ada:0") == waiting
    with pytest.raises(CardDeclined, match="incorrect_cvc"):
        second.finish(refused)
    with pytest.raises(GatewayRefused, match="forgotten"):
        second.finish(gone)
    second.forget(forgotten.token)
    written = journal.read_text(encoding="utf-8")
    assert "5555555555554444" not in re.sub(r"\s", "", written)
    assert not re.search(r"(?<![0-9a-f])987(?![0-9a-f])", written)
    assert len(written.splitlines()) == 4 + 3 + 1


@pytest.mark.parametrize("line", ["milk", "[]", "{}", '{"form":{}}', '{"forgotten":"sandbox-card-1"}'])
def test_a_file_that_is_no_desks_journal_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "notes.txt").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(BillingError, match=r"notes\.txt, line 1"):
        SandboxCardDesk(journal=tmp_path / "notes.txt")


# The form.


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.mark.parametrize(
    ("locale", "lang", "title"),
    [("en", "en", "Add a card"), ("fr", "fr", "Ajouter une carte"), ("tlh", "en", "Add a card")],
)
def test_the_form_can_be_read_aloud(desk: SandboxCardDesk, locale: str, lang: str, title: str) -> None:
    wrong = CardFormError({"expiry": CardFlaw.PAST, "cvc": CardFlaw.MISSING})
    page = Page(desk.form_html(begun(desk), locale, wrong))
    assert page.all("html") == [{"lang": lang}]
    assert title in page.text
    fields = {each["name"]: each for each in page.all("input")}
    assert list(fields) == ["number", "expiry", "cvc"]
    assert {each["for"] for each in page.all("label")} == {each["id"] for each in fields.values()}
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    for name, each in fields.items():
        described = (each.get("aria-describedby") or "").split()
        assert set(described) <= ids
        assert (f"{name}-flaw" in described) == ("aria-invalid" in each) == (name in wrong.fields)
    assert [name for name, each in fields.items() if "autofocus" in each] == ["expiry"]
    assert [attrs["role"] for _, attrs in page.tags if "role" in attrs] == ["alert"]
    assert page.all("script") == []
    assert texts(best_locale(locale))("This card has expired.") in page.text


def test_the_form_offers_no_real_card_and_repeats_nothing(desk: SandboxCardDesk) -> None:
    page = Page(desk.form_html(begun(desk), "en"))
    assert {each["autocomplete"] for each in page.all("input")} == {"off"}
    assert all("value" not in each for each in page.all("input"))
    assert [each["method"] for each in page.all("form")] == ["post"]
    assert page.all("a") == [{"href": BACK}]
    assert "role" not in {name for _, attrs in page.tags for name in attrs}
    assert all(re.sub(r"\s", "", number) in re.sub(r"\s", "", page.text) for number in TEST_CARDS)


def test_the_way_back_is_escaped(desk: SandboxCardDesk) -> None:
    back = "https://shop.example/?a=1&b=\"><script>alert('1')</script>"
    html = desk.form_html(desk.begin("ada", back, "ada:1").reference, "en")
    assert Page(html).all("a") == [{"href": back}]
    assert "<script" not in html


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_every_flaw_has_words(desk: SandboxCardDesk, locale: str) -> None:
    tried = [("", "", ""), ("1", "1", "1"), ("4111111111111111", "10/26", "1")]
    plain = Page(desk.form_html(begun(desk), locale)).text
    for typed in tried:
        with pytest.raises(CardFormError) as error:
            desk.submit(begun(desk), *typed, NOW_NS)
        page = Page(desk.form_html(begun(desk), locale, error.value))
        assert sum(attrs.get("class") == "flaw" for _, attrs in page.tags) == 3
        assert len(page.text) > len(plain)
