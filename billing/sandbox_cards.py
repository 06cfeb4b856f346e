"""A card desk in memory whose form is a page of its own, and the test cards that it takes."""

from __future__ import annotations

import datetime as dt
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from billing.cards import CardForm, CardOnFile, check_return_url
from billing.errors import CardDeclined, CardFormError, GatewayRefused, KeyConflict
from billing.gateway import SANDBOX_ASKS, SANDBOX_CARD, SANDBOX_DECLINED
from billing.journal import recall, write_down
from billing.texts import best_locale, texts

_S = 10**9

CardKind = Literal["pays", "declined", "asks", "refused"]
"""What a test card does: pays; is registered, and declined when it is to pay; is registered, and its charges wait for the
shopper to authenticate; is refused when it is to be registered."""


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A number that the sandbox takes."""

    brand: str
    kind: CardKind
    cvc_digits: int = 3


TEST_CARDS: Mapping[str, KnownCard] = MappingProxyType(
    {
        "4242424242424242": KnownCard("visa", "pays"),
        "5555555555554444": KnownCard("mastercard", "pays"),
        "378282246310005": KnownCard("amex", "pays", cvc_digits=4),
        "4000000000000002": KnownCard("visa", "declined"),
        "4000000000000341": KnownCard("visa", "declined"),
        "4000002500003155": KnownCard("visa", "asks"),
        "4000000000000127": KnownCard("visa", "refused"),
    }
)
"""Numbers of nobody's: https://docs.stripe.com/testing. There 4000000000000002 is refused, not registered."""

_TOKENS: Mapping[CardKind, str] = MappingProxyType(
    {"pays": SANDBOX_CARD, "declined": SANDBOX_DECLINED, "asks": SANDBOX_ASKS}
)

_EXPIRY = re.compile(r"(?:(\d{1,2})\s*[/.-]\s*|(\d{2})\s*)(\d{4}|\d{2})", re.ASCII)


class CardFlaw(StrEnum):
    """What is wrong with a field of the form: nothing typed, not of its form, over, no card of ``TEST_CARDS``."""

    MISSING = "missing"
    INVALID = "invalid"
    PAST = "past"
    NOT_A_TEST_CARD = "not_a_test_card"


@dataclass(frozen=True, slots=True)
class _Form:
    """A form and what became of it: a card, a refusal, or neither yet."""

    shopper_id: str
    return_url: str
    key: str
    shown: CardForm
    card: CardOnFile | None = None
    refusal: str | None = None


class SandboxCardDesk:
    """A ``CardDesk`` in memory, for ``SandboxGateway``. Takes ``TEST_CARDS`` alone, so that no real card ends here.

    A form is at ``{base_url}/sandbox/card/{reference}``: whoever serves that path answers GET with ``form_html`` and POST
    with ``submit``. References cannot be guessed, and forms never lapse. Of what is typed it keeps brand, last four digits
    and expiry. With a ``journal`` (a file of JSON lines) it remembers when it is opened again. Safe to use from several
    threads, and a journal from one process. It always answers: GatewayTimeout never comes.

    Raises BillingError for a file that is no journal of its own.
    """

    def __init__(self, base_url: str = "", journal: Path | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._forms: dict[str, _Form] = {}
        self._references: dict[str, str] = {}  # by key
        self._tokens: dict[str, bool] = {}  # all that were given; True while the card is kept
        self._lock = threading.Lock()
        self._journal = journal
        if journal is not None:
            recall(journal, self._recall)

    def begin(self, shopper_id: str, return_url: str, key: str) -> CardForm:
        """See ``CardDesk.begin``."""
        check_return_url(return_url)
        with self._lock:
            if key in self._references:
                known = self._forms[self._references[key]]
                if (known.shopper_id, known.return_url) != (shopper_id, return_url):
                    raise KeyConflict(f"{key}: the sandbox knows this key for another form")
                return known.shown
            reference = secrets.token_hex(16)
            shown = CardForm(reference, f"{self._base_url}/sandbox/card/{reference}")
            self._keep(_Form(shopper_id, return_url, key, shown))
            return shown

    def finish(self, reference: str) -> CardOnFile | None:
        """See ``CardDesk.finish``."""
        with self._lock:
            form = self._form(reference)
            if form.refusal is not None:
                raise CardDeclined(form.refusal)
            if form.card is not None and not self._tokens[form.card.token]:
                raise GatewayRefused("the card was forgotten")
            return form.card

    def forget(self, token: str) -> None:
        """See ``CardDesk.forget``."""
        with self._lock:
            if token not in self._tokens:
                raise GatewayRefused("the sandbox never gave this token")
            if self._tokens[token]:
                self._write({"forgotten": token})
                self._tokens[token] = False

    def on_file(self, token: str) -> bool:
        """Tell whether ``token`` is of a card that is kept. ``SandboxGateway`` asks this, if it is given it."""
        with self._lock:
            return self._tokens.get(token, False)

    def form_html(self, reference: str, locale: str, wrong: CardFormError | None = None) -> str:
        """Return the form as a page in ``locale`` (``en``, ``fr``, or else English), with what ``submit`` found wrong.

        It repeats nothing that was typed. It needs no script, and one inline style. Send it with ``Cache-Control:
        no-store``, for its address is a secret of the shopper's. Raises GatewayRefused for an unknown reference.
        """
        with self._lock:
            form = self._form(reference)
        cards = [(_grouped(number), card.kind) for number, card in TEST_CARDS.items()]
        flaws = {} if wrong is None else wrong.fields
        return _template().render(
            _=texts(best_locale(locale)), wrong=flaws, return_url=form.return_url, test_cards=cards
        )

    def submit(self, reference: str, number: str, expiry: str, cvc: str, at_ns: int) -> str:
        """Take what was typed into the form and return where the browser goes now, the form's ``return_url``.

        ``expiry`` is MM/YY or MM/YYYY; the month ends at ``at_ns`` in UTC. The first card that is taken or refused
        stands: a form that is sent again changes nothing. Raises CardFormError with a ``CardFlaw`` for each field
        (``number``, ``expiry``, ``cvc``) that is wrong, GatewayRefused for an unknown reference.
        """
        with self._lock:
            form = self._form(reference)
            if form.card is None and form.refusal is None:
                self._keep(_filled(form, number, expiry, cvc, at_ns))
            return form.return_url

    def _form(self, reference: str) -> _Form:
        if reference not in self._forms:
            raise GatewayRefused("the sandbox has no such card form")
        return self._forms[reference]

    def _keep(self, form: _Form) -> None:
        self._write({"form": asdict(form)})
        self._remember(form)

    def _write(self, said: Mapping[str, object]) -> None:
        if self._journal is not None:
            write_down(self._journal, said)

    def _remember(self, form: _Form) -> None:
        self._forms[form.shown.reference] = form
        self._references[form.key] = form.shown.reference
        if form.card is not None:
            self._tokens[form.card.token] = True

    def _recall(self, said: Any) -> None:
        if "forgotten" in said:
            if said["forgotten"] not in self._tokens:
                raise LookupError("a card is forgotten that was never kept")
            self._tokens[said["forgotten"]] = False
            return
        told = said["form"]
        card = None if told["card"] is None else CardOnFile(**told["card"])
        self._remember(_Form(**{**told, "shown": CardForm(**told["shown"]), "card": card}))


def _filled(form: _Form, number: str, expiry: str, cvc: str, at_ns: int) -> _Form:
    """Return ``form`` with the card that was typed, or its refusal. Raises CardFormError."""
    digits = re.sub(r"[\s-]", "", number)
    card = TEST_CARDS.get(digits)
    expires = _expires(expiry)
    found = {
        "number": _number_flaw(digits),
        "expiry": _expiry_flaw(expiry, expires, at_ns),
        "cvc": _cvc_flaw(cvc.strip(), card),
    }
    wrong = {name: flaw for name, flaw in found.items() if flaw is not None}
    if wrong or card is None or expires is None:
        raise CardFormError(wrong)
    if card.kind == "refused":
        return replace(form, refusal="incorrect_cvc")
    token = f"{_TOKENS[card.kind]}{secrets.token_hex(12)}"
    return replace(form, card=CardOnFile(token, card.brand, digits[-4:], expires))


def _number_flaw(digits: str) -> CardFlaw | None:
    if not digits:
        return CardFlaw.MISSING
    if not (digits.isascii() and digits.isdecimal() and 12 <= len(digits) <= 19 and _passes_luhn(digits)):
        return CardFlaw.INVALID
    return None if digits in TEST_CARDS else CardFlaw.NOT_A_TEST_CARD


def _passes_luhn(digits: str) -> bool:
    """Tell whether the check digit is right: ISO/IEC 7812-1, annex B. Every second digit from the right counts double."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def _expires(expiry: str) -> str | None:
    """Return what was typed as YYYY-MM, None for no month. Two digits are a year from 2000 to 2099."""
    found = _EXPIRY.fullmatch(expiry.strip())
    if found is None or not 1 <= int(found[1] or found[2]) <= 12:
        return None
    year = int(found[3])
    return f"{year + 2000 if year < 100 else year:04}-{int(found[1] or found[2]):02}"


def _expiry_flaw(expiry: str, expires: str | None, at_ns: int) -> CardFlaw | None:
    if not expiry.strip():
        return CardFlaw.MISSING
    if expires is None:
        return CardFlaw.INVALID
    return CardFlaw.PAST if expires < f"{dt.datetime.fromtimestamp(at_ns // _S, dt.UTC):%Y-%m}" else None


def _cvc_flaw(cvc: str, card: KnownCard | None) -> CardFlaw | None:
    if not cvc:
        return CardFlaw.MISSING
    lengths = (3, 4) if card is None else (card.cvc_digits,)
    return None if cvc.isascii() and cvc.isdecimal() and len(cvc) in lengths else CardFlaw.INVALID


def _grouped(number: str) -> str:
    """Return a number as cards show it: in fours, fifteen digits as 4, 6 and 5."""
    if len(number) == 15:
        return f"{number[:4]} {number[4:10]} {number[10:]}"
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("card_form.html.j2")
