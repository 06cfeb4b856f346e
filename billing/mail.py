"""Receipts by e-mail: one more endpoint of the outbox, so that they too go out at least once, and come back to be tried.

When a charge is settled or waits for the shopper, its receipt goes to the shopper of the visit, if they have an address.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from typing import Protocol

from pydantic import ValidationError

from billing.db import outbox as rows
from billing.db.books import Books
from billing.edge import ChargeModel
from billing.errors import DeliveryRefused
from billing.pdf import render_pdf
from billing.policy import MailPolicy, mail_address
from billing.render import render_html, render_text
from billing.store import BillingStore
from billing.texts import best_locale, texts
from billing.types import Charge, Endpoint, Receipt
from billing.webhooks import ID, Envelope, new_secret

SCHEME = "mail"
ENDPOINT_ID = "mail"
URL = "mail:receipts"
TOPICS = ("charge.failed", "charge.paid", "charge.waiting")
"""What a shopper hears of: a charge that is paid, declined, or waits for them."""

SENT = 250
NOTHING_TO_DO = 204


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail is made of: a charge, the receipt that it was made for, and whom it goes to."""

    receipt: Receipt
    charge: Charge
    to: rows.Recipient


class Post(Protocol):
    """Carries a mail to a mail server."""

    def send(self, message: EmailMessage, timeout_s: float) -> None:
        """Hand a mail over.

        Raises:
            DeliveryError: it may have been taken or not, or not yet.
            DeliveryRefused: the server will never take it.
        """
        ...


class Mailer:
    """The ``Sender`` for the endpoint ``mail``, which ``register`` makes."""

    def __init__(self, store: BillingStore, post: Post, policy: MailPolicy, zone: dt.tzinfo = dt.UTC) -> None:
        """``zone`` is that of the times on receipts."""
        self._store, self._post, self._policy, self._zone = store, post, policy, zone

    def register(self, at_ns: int) -> Endpoint:
        """Mail what happens from now on. Called again it changes nothing, also where mail was disabled meanwhile."""
        with self._store.transaction() as books:
            known = rows.endpoint(books, ENDPOINT_ID)
            if known is None:
                known = Endpoint(ENDPOINT_ID, URL, TOPICS, at_ns)
                rows.add_endpoint(books, known, new_secret())
            return known

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
        """See ``Sender.post``. What is nobody's, or is told better by a later event, is delivered as nothing to do."""
        if url != URL:
            raise DeliveryRefused(f"only {URL} is mailed, not {url}")
        envelope, told = _read(body)
        with self._store.reading() as books:
            letter = _letter(books, told)
        if letter is None:
            return NOTHING_TO_DO
        self._post.send(self._message(headers[ID], envelope.at, letter), timeout_s)
        return SENT

    def _message(self, event: str, at: str, letter: Letter) -> EmailMessage:
        """Return a letter as mail, in the shopper's language. Raises DeliveryRefused for an address that is none."""
        locale = best_locale(letter.to.locale)
        _ = texts(locale)
        given = (letter.receipt, letter.charge, None, locale, self._zone)
        title = _one_line(_("Receipt {visit}", visit=letter.receipt.visit_id))
        message = EmailMessage(SMTP)
        sender = mail_address(self._policy.sender, self._policy.sender_name)
        message["From"] = sender
        message["To"] = _address(letter.to)
        message["Subject"] = title
        message["Date"] = dt.datetime.fromisoformat(f"{at[:19]}+00:00")
        message["Message-ID"] = f"<{_message_id(event, at)}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        # Quoted-printable, so that servers of seven bits take it too.
        message.set_content(render_text(*given), cte="quoted-printable")
        message.add_alternative(_page(title, render_html(*given), locale), subtype="html", cte="quoted-printable")
        message.add_attachment(render_pdf(*given), maintype="application", subtype="pdf", filename="receipt.pdf")
        return message


def _read(body: bytes) -> tuple[Envelope, ChargeModel]:
    """Return the event and its charge. Raises DeliveryRefused for what is no charge."""
    try:
        envelope = Envelope.model_validate_json(body)
        return envelope, ChargeModel.model_validate(envelope.data)
    except ValidationError as fault:
        raise DeliveryRefused(f"mail goes out for charges alone: {fault.errors()[0]['msg']}") from fault


def _letter(books: Books, told: ChargeModel) -> Letter | None:
    """Return what is to be mailed; None without an address, and where the charge or receipt is another by now.

    Each change of a charge is an event, and a correction has a charge of its own: its mail is on its way.
    """
    to, charge = rows.recipient(books, told.visit_id), books.charge(told.key)
    if to is None or charge is None or charge.state is not told.state:
        return None
    for receipt in (books.receipt(told.visit_id), books.first_receipt(told.visit_id)):
        if receipt is not None and receipt.digest == charge.receipt_digest:
            return Letter(receipt, charge, to)
    return None


def _address(to: rows.Recipient) -> object:
    try:
        return mail_address(to.email)
    except ValueError as fault:
        raise DeliveryRefused(f"the shopper's address cannot be mailed to: {fault}") from fault


def _message_id(event: str, at: str) -> str:
    """Return the same for the same event, and another for one of another database: events are counted from one in each."""
    return f"{event}.{''.join(letter for letter in at if letter.isdigit())}"


def _one_line(text: str) -> str:
    """Return a text as a header can have it, whatever a visit's id is made of."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _page(title: str, section: str, locale: str) -> str:
    return (
        f"<!doctype html><html lang='{locale}'><head><meta charset='utf-8'><title>{escape(title)}</title></head>"
        f"<body>{section}</body></html>"
    )
