"""Shoppers' accounts: registering, signing in, the card on file, entry passes, and leaving without a trace.

Of a card only the gateway's token, brand, last digits and expiry are kept. Sessions are kept as the SHA-256 of 256 random
bits, as keys are (``access``). Locks are by account, so that nobody deletes one while a gate lets its owner in.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from billing.cards import CardDesk, CardForm, CardOnFile
from billing.charging import OPEN
from billing.db import access
from billing.db import shoppers as rows
from billing.db.books import Books
from billing.db.shoppers import PassUse, Shopper
from billing.errors import (
    AccountBusy,
    CardDeclined,
    GatewayRefused,
    GatewayTimeout,
    KeyConflict,
    NoCard,
    NotKnown,
    PassExpired,
    PassFromFuture,
    PassRefused,
    PassUsed,
    ShopperError,
)
from billing.keyring import Keyring
from billing.lookup import card_mark
from billing.passes import PassPolicy, check, issue, random_nonce
from billing.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, hash_password, is_password
from billing.standing import standing
from billing.store import BillingStore
from billing.types import ChargeState, OpenVisit, Payment, PaymentAction, PaymentState, StoredVisit

_NS = 10**9
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s.\x00-\x1f]+")
_LONGEST_EMAIL = 254
"""What a mail server takes (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""
_LONGEST_NAME = 80

LONGEST_VISIT_NS = 2 * 86_400 * _NS
"""A visit that has no receipt after two days is one that nobody ended: it keeps no account from being deleted."""

_BETWEEN_NS = 600 * _NS
"""A pass that was taken this long ago, and whose visit is not there, was taken by a gate that gave up."""

_DEBTS = (ChargeState.DECLINED, ChargeState.NEEDS_SHOPPER)


@dataclass(frozen=True, slots=True)
class Signup:
    """What somebody who registers says. ``locale`` is one of ``texts.LOCALES``."""

    email: str
    password: str
    name: str
    locale: str
    is_member: bool


@dataclass(frozen=True, slots=True)
class Shoppers:
    """Accounts in a database, their cards at ``desk``; ``session_s`` is how many seconds a phone stays signed in."""

    store: BillingStore
    desk: CardDesk
    keyring: Keyring
    passes: PassPolicy
    session_s: int

    def on(self, store: BillingStore) -> Shoppers:
        """Return the same on another view of the database."""
        return replace(self, store=store)

    def register(self, given: Signup, at_ns: int) -> Shopper:
        """Make an account. Raises ShopperError with what is wrong with ``email``, ``password`` or ``name``.

        ``email`` is ``missing``, ``invalid`` or ``taken``, ``password`` ``short`` or ``long``, ``name`` ``long``.
        """
        email, name = _email(given.email), given.name.strip()
        flaws = _flaws(
            {"email": _email_flaw(email), "name": _name_flaw(name), "password": _password_flaw(given.password)}
        )
        if flaws:
            raise ShopperError(flaws)
        hashed = hash_password(given.password)
        new = Shopper(
            shopper_id=str(uuid4()),
            email=email,
            name=name or None,
            locale=given.locale,
            card=None,
            card_form=None,
            is_member=given.is_member,
            created_at_ns=at_ns,
            deleted_at_ns=None,
            version=1,
        )
        with self.store.transaction(f"email:{email}") as books:
            if rows.shopper_by_email(books, email) is not None:
                raise ShopperError({"email": "taken"})
            rows.add_shopper(books, new, hashed)
        return new

    def sign_in(self, email: str, password: str, at_ns: int) -> tuple[str, int]:
        """Return a session's token and when it ends. Raises NotKnown, which does not say what was wrong."""
        with self.store.reading() as books:
            found = rows.shopper_by_email(books, _email(email))
        # The password is checked for unknown addresses too, so that the time taken does not tell who is known.
        if not is_password(password, None if found is None else found[1]) or found is None:
            raise NotKnown("e-mail or password is wrong")
        return self.start_session(found[0].shopper_id, at_ns)

    def start_session(self, shopper_id: str, at_ns: int) -> tuple[str, int]:
        """Return the token of a new session of somebody who was found to be that shopper, and when it ends."""
        token, ends_ns = secrets.token_urlsafe(32), at_ns + self.session_s * _NS
        with self.store.transaction() as books:
            access.add_session(books, _digest(token), shopper_id, rows.SESSION, at_ns, ends_ns)
        return token, ends_ns

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self.store.transaction() as books:
            access.end_session(books, _digest(token))

    def who(self, token: str, at_ns: int) -> Shopper | None:
        """Return whose session this is, None for one that is not known or has ended."""
        with self.store.reading() as books:
            return rows.shopper_of_session(books, _digest(token), at_ns)

    def change(self, shopper_id: str, *, email: str, name: str, locale: str, is_member: bool) -> None:
        """Change what an account says. Raises ShopperError as ``register`` does."""
        email, name = _email(email), name.strip()
        flaws = _flaws({"email": _email_flaw(email), "name": _name_flaw(name)})
        if flaws:
            raise ShopperError(flaws)
        with self.store.transaction(f"email:{email}") as books:
            known = rows.shopper_by_email(books, email)
            if known is not None and known[0].shopper_id != shopper_id:
                raise ShopperError({"email": "taken"})
            rows.change_shopper(
                books, shopper_id, email=email, name=name or None, locale=locale, is_member=int(is_member)
            )

    def change_password(self, shopper_id: str, old: str, new: str, token: str) -> None:
        """Change the password, and end all sessions but that of ``token``.

        Raises ShopperError where ``old`` is ``wrong`` or ``password`` ``short`` or ``long``.
        """
        with self.store.reading() as books:
            kept = rows.password_hash(books, shopper_id)
        flaws = _flaws(
            {"old": None if is_password(old, kept) else "wrong", "password": _password_flaw(new)},
        )
        if flaws:
            raise ShopperError(flaws)
        hashed = hash_password(new)
        with self.store.transaction(_lock(shopper_id)) as books:
            rows.change_shopper(books, shopper_id, password_hash=hashed)
            rows.end_stays(books, shopper_id, but=_digest(token))

    def begin_card(self, shopper_id: str, return_url: str) -> CardForm:
        """Return the gateway's form for a card; asked again, the same one until it is finished.

        Raises GatewayTimeout where no answer came.
        """
        try:
            form = self.desk.begin(shopper_id, return_url, _form_key(self.get(shopper_id)))
        except KeyConflict:  # a form that leads back to where the page was before it moved
            with self.store.transaction(_lock(shopper_id)) as books:
                rows.change_shopper(books, shopper_id, card_form=None)
            form = self.desk.begin(shopper_id, return_url, _form_key(self.get(shopper_id)))
        with self.store.transaction(_lock(shopper_id)) as books:
            rows.keep_card_form(books, shopper_id, form.reference)
        return form

    def finish_card(self, shopper_id: str, at_ns: int) -> CardOnFile | None:
        """Keep the card that the shopper typed into the form, None while there is none; the one before is forgotten.

        Raises CardDeclined or GatewayRefused for a form that came to nothing: begin another. Raises AccountBusy while a
        visit is under way that the card before pays for, GatewayTimeout where no answer came: ask again.
        """
        shopper = self.get(shopper_id)
        if shopper.card_form is None:
            return shopper.card
        try:
            card = self.desk.finish(shopper.card_form)
        except (CardDeclined, GatewayRefused):
            with self.store.transaction(_lock(shopper_id)) as books:
                rows.change_shopper(books, shopper_id, card_form=None)
            raise
        if card is None:
            return None
        with self.store.transaction(_lock(shopper_id)) as books:
            now = _known(rows.shopper(books, shopper_id))
            if now.card_form != shopper.card_form:  # finished by another request meanwhile
                return now.card
            if now.card is not None and now.card.token != card.token:
                _check_settled(books, shopper_id, at_ns)
                rows.add_card_to_forget(books, now.card.token, at_ns)
            rows.set_card(books, shopper_id, card)
        self.forget_cards(at_ns)
        return card

    def forget_cards(self, _at_ns: int) -> None:
        """Let the gateway drop the cards that nobody uses any more; those without an answer stay for the next time."""
        with self.store.reading() as books:
            tokens = rows.cards_to_forget(books)
        for token in tokens:
            try:
                self.desk.forget(token)
            except GatewayTimeout:
                continue
            except GatewayRefused:
                pass  # the gateway does not have it: there is nothing to drop
            with self.store.transaction() as books:
                rows.end_card_to_forget(books, token)

    def issue_pass(self, shopper_id: str, at_ns: int) -> str:
        """Return a new entry pass. Raises NoCard for a shopper without a card on file."""
        if self.get(shopper_id).card is None:
            raise NoCard({"card": "missing"})
        return issue(self.keyring.pass_key, UUID(shopper_id), random_nonce(), at_ns)

    def admit(self, pass_text: str, visit_id: str, party_size: int, at_ns: int, now_ns: int | None = None) -> OpenVisit:
        """Return the visit that a pass opens, once: for the same visit it may be shown again.

        A gate may have seen the pass at ``at_ns`` and tell of it at ``now_ns``, ``offline_s`` later at most.
        Raises PassError for a pass that opens nothing, KeyConflict for a visit that somebody else has opened.
        """
        entry = check(pass_text, (self.keyring.pass_key.public(),), at_ns, self.passes)
        shopper_id, nonce = str(entry.shopper_id), entry.nonce.hex()
        with self.store.transaction(_lock(shopper_id)) as books:
            used, known = rows.pass_use(books, nonce), books.visit(visit_id)
            if used is not None and used.visit_id != visit_id:
                raise PassUsed("the pass was shown before: show a new one")
            if known is not None and known.opened.shopper_id != shopper_id:
                raise KeyConflict(f"{visit_id} was opened by somebody else")
            if known is None:  # whoever did not hear that it was opened may ask for longer
                self._check_told_in_time(at_ns, at_ns if now_ns is None else now_ns)
            shopper = rows.shopper(books, shopper_id)
            if shopper is None or shopper.deleted_at_ns is not None:
                raise PassRefused("the pass is of an account that is not there any more")
            if shopper.card is None:
                raise PassRefused("the shopper has no card on file")
            if used is None:
                rows.add_pass_use(books, shopper_id, PassUse(nonce, visit_id, at_ns))
        if known is not None:
            return known.opened
        mark = card_mark(self.keyring.mark_key, shopper.card.last4, shopper.card.expires)
        return OpenVisit(
            visit_id=visit_id,
            token=shopper.card.token,
            at_ns=at_ns,
            party_size=party_size,
            shopper_id=shopper_id,
            is_member=shopper.is_member,
            card_mark=mark,
        )

    def _check_told_in_time(self, at_ns: int, now_ns: int) -> None:
        """Raise PassExpired or PassFromFuture where a gate says that it saw a pass too long ago, or later than now."""
        if now_ns - at_ns > self.passes.offline_s * _NS:
            ago_s, most_s = (now_ns - at_ns) // _NS, self.passes.offline_s
            raise PassExpired(f"the gate saw the pass {ago_s} s ago, and tells of it within {most_s} s")
        if at_ns - now_ns > self.passes.clock_tolerance_s * _NS:
            ahead_s = (at_ns - now_ns) // _NS
            raise PassFromFuture(f"the gate says that it saw the pass {ahead_s} s from now: set its clock")

    def get(self, shopper_id: str) -> Shopper:
        """Return an account. Raises NotKnown where there is none."""
        with self.store.reading() as books:
            return _known(rows.shopper(books, shopper_id))

    def current_visit(self, shopper_id: str, at_ns: int) -> StoredVisit | None:
        """Return the visit that is under way, the latest where there are several."""
        with self.store.reading() as books:
            return next(iter(_under_way(books, shopper_id, at_ns)), None)

    def debts(self, shopper_id: str) -> tuple[str, ...]:
        """Return the visits of which something is owed, oldest first."""
        with self.store.reading() as books:
            return _debts(books, shopper_id)

    def delete(self, shopper_id: str, at_ns: int) -> None:
        """Blank an account and end its sessions; the gateway forgets the card. Receipts stay, and lead to nobody.

        Raises AccountBusy whose ``account`` is ``visit_open``, ``settling`` or ``unpaid``.
        """
        with self.store.transaction(_lock(shopper_id)) as books:
            shopper = _known(rows.shopper(books, shopper_id))
            _check_settled(books, shopper_id, at_ns)
            if _debts(books, shopper_id):
                raise AccountBusy({"account": "unpaid"})
            if shopper.card is not None:
                rows.add_card_to_forget(books, shopper.card.token, at_ns)
            rows.forget_person(books, shopper_id, at_ns)
        self.forget_cards(at_ns)


def is_turned_away(visit: StoredVisit, payments: tuple[Payment, ...]) -> bool:
    """Tell whether a gate was told not to let somebody in: for a debt, or a hold that was not made."""
    hold = next((each for each in payments if each.action is PaymentAction.HOLD), None)
    is_unheld = hold is not None and hold.state in (PaymentState.DECLINED, PaymentState.NEEDS_SHOPPER)
    return visit.refused is not None or is_unheld


def _under_way(books: Books, shopper_id: str, at_ns: int) -> list[StoredVisit]:
    """Return visits without a receipt whose shopper was let in, latest first."""
    return [
        visit
        for visit in rows.unfinished_visits(books, shopper_id)
        if at_ns - visit.opened.at_ns < LONGEST_VISIT_NS
        and not is_turned_away(visit, books.payments(visit.opened.visit_id))
    ]


def _check_settled(books: Books, shopper_id: str, at_ns: int) -> None:
    """Raise AccountBusy while the card on file may still be asked for a visit's money."""
    is_at_gate = any(
        at_ns - use.used_at_ns < _BETWEEN_NS and books.visit(use.visit_id) is None
        for use in rows.pass_uses(books, shopper_id)
    )
    if is_at_gate or _under_way(books, shopper_id, at_ns):
        raise AccountBusy({"account": "visit_open"})
    if rows.charged_visits(books, shopper_id, OPEN):
        raise AccountBusy({"account": "settling"})


def _debts(books: Books, shopper_id: str) -> tuple[str, ...]:
    found = []
    for visit_id in rows.charged_visits(books, shopper_id, _DEBTS):
        receipt = books.receipt(visit_id)
        if receipt is not None and standing(books, receipt).owed.minor > 0:
            found.append(visit_id)
    return tuple(found)


def _known(shopper: Shopper | None) -> Shopper:
    if shopper is None or shopper.deleted_at_ns is not None:
        raise NotKnown("there is no such account")
    return shopper


def _form_key(shopper: Shopper) -> str:
    return f"{shopper.shopper_id}:{shopper.version}"


def _email(typed: str) -> str:
    return typed.strip().casefold()


def _email_flaw(email: str) -> str | None:
    if not email:
        return "missing"
    return None if len(email) <= _LONGEST_EMAIL and _EMAIL.fullmatch(email) else "invalid"


def _name_flaw(name: str) -> str | None:
    return None if len(name) <= _LONGEST_NAME and name.isprintable() else "long"


def _password_flaw(password: str) -> str | None:
    if len(password) < LEAST_CHARACTERS:
        return "short"
    return "long" if len(password) > MOST_CHARACTERS else None


def _flaws(found: dict[str, str | None]) -> dict[str, str]:
    return {field: flaw for field, flaw in found.items() if flaw is not None}


def _lock(shopper_id: str) -> str:
    return f"shopper:{shopper_id}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
