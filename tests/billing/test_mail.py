"""Receipts reach the shopper's mail, against a real SMTP server on this machine."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from pydantic import ValidationError
from sqlalchemy import Engine, text

from billing.db import outbox as rows
from billing.errors import DeliveryError, DeliveryRefused
from billing.gateway import SandboxGateway
from billing.mail import ENDPOINT_ID, NOTHING_TO_DO, SENT, URL, Mailer
from billing.outbox import Delivered, Outbox, SenderByScheme
from billing.pdf import render_pdf
from billing.policy import MailPolicy, OutboxPolicy
from billing.pricebook import PriceBook
from billing.service import BillingService
from billing.smtp import SmtpPost
from billing.store import BillingStore
from billing.types import STAFF, CorrectionRequest, ItemCount, OpenVisit, ReceiptInput, VisitKind
from tests.billing.local_tls import local_tls

S = 10**9
T0 = 1_795_366_746 * S + 123_456_789
MAIL = MailPolicy(host="127.0.0.1", port=25, security="none", sender="receipts@shop.example", sender_name="Käse & Co")
ROUND = OutboxPolicy(round_s=60, jitter=0.0)


@dataclass
class FakePost:
    """Keeps mail, after the troubles that it is given."""

    troubles: list[Exception] = field(default_factory=list)
    sent: list[EmailMessage] = field(default_factory=list)

    def send(self, message: EmailMessage, timeout_s: float) -> None:
        self.sent.append(message)
        if self.troubles:
            raise self.troubles.pop(0)


@pytest.fixture
def post() -> FakePost:
    return FakePost()


@pytest.fixture
def mailer(store: BillingStore, post: FakePost) -> Mailer:
    mailer = Mailer(store, post, MAIL)
    mailer.register(T0)
    return mailer


@pytest.fixture
def outbox(store: BillingStore, mailer: Mailer) -> Iterator[Outbox]:
    with Outbox(store, SenderByScheme({"mail": mailer}), ROUND) as outbox:
        yield outbox


@pytest.fixture
def service(store: BillingStore, book: PriceBook) -> BillingService:
    return BillingService(book, store, SandboxGateway())


def add_shopper(
    raw: Engine, email: str | None = "ann@example.org", deleted_at_ns: int | None = None, locale: str = "en"
) -> None:
    statement = text(
        "INSERT INTO shoppers (shopper_id, email, name, locale, is_member, created_at_ns, deleted_at_ns, version)"
        " VALUES ('s1', :email, 'Ann', :locale, 0, 1, :deleted, 1)"
    )
    with raw.begin() as connection:
        connection.execute(statement, {"email": email, "deleted": deleted_at_ns, "locale": locale})


def buy(
    service: BillingService,
    shopper_id: str | None = "s1",
    kind: VisitKind = VisitKind.SHOPPER,
    visit_id: str = "v1",
) -> None:
    token = STAFF if kind is VisitKind.STAFF else "tok_1"
    service.open_visit(OpenVisit(visit_id, token, T0, kind=kind, shopper_id=shopper_id))
    service.finalise(ReceiptInput(visit_id, token, T0 + S, (ItemCount("cola", 2),)))


def test_a_paid_receipt_is_mailed_once(raw: Engine, outbox: Outbox, post: FakePost, service: BillingService) -> None:
    add_shopper(raw)
    buy(service)
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=1)
    assert outbox.deliver_due(T0 + 9 * S) == Delivered()
    (mail,) = post.sent
    assert mail["From"] == "Käse & Co <receipts@shop.example>"
    assert mail["To"] == "ann@example.org"
    assert mail["Subject"] == "Receipt v1"
    assert mail["Date"] == "Sun, 22 Nov 2026 16:59:07 +0000"
    assert mail["Message-ID"] == "<evt_3.20261122165907123456789@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("receipt.pdf", "application/pdf")
    receipt = service.receipt("v1")
    assert receipt is not None
    assert file.get_content() == render_pdf(receipt, service.charges("v1")[0])
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert "€2.98" in parts["text/plain"]
    assert "paid" in parts["text/plain"]
    assert "<section class='receipt'" in parts["text/html"]
    assert "€2.98" in parts["text/html"]


def test_what_did_not_go_out_comes_back_as_the_same_mail(
    raw: Engine, outbox: Outbox, post: FakePost, service: BillingService
) -> None:
    add_shopper(raw)
    buy(service)
    post.troubles = [DeliveryError("nobody answers")]
    assert outbox.deliver_due(T0 + S) == Delivered(later=1)
    assert outbox.deliver_due(T0 + 6 * S) == Delivered(delivered=1)
    first, second = post.sent
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


def test_an_address_that_is_refused_is_shown_and_left(
    raw: Engine, outbox: Outbox, post: FakePost, service: BillingService
) -> None:
    add_shopper(raw)
    buy(service)
    post.troubles = [DeliveryRefused("mail server said 550 no such mailbox")]
    assert outbox.deliver_due(T0 + S) == Delivered(failed=1)
    assert outbox.deliveries(ENDPOINT_ID)[0].problem == "mail server said 550 no such mailbox"


@pytest.mark.parametrize("email", ["", "ann", "ann@example.org\r\nBcc: all@example.org", "a@b.c, d@e.f", "änn@b.c"])
def test_what_is_no_address_is_never_mailed_to(
    raw: Engine, outbox: Outbox, post: FakePost, service: BillingService, email: str
) -> None:
    add_shopper(raw, email)
    buy(service)
    assert outbox.deliver_due(T0 + S) == Delivered(failed=1)
    assert "address cannot be mailed to" in (outbox.deliveries(ENDPOINT_ID)[0].problem or "")
    assert post.sent == []


@pytest.mark.parametrize(
    ("email", "deleted_at_ns", "shopper_id", "kind"),
    [
        (None, None, "s1", VisitKind.SHOPPER),
        ("ann@example.org", T0, "s1", VisitKind.SHOPPER),
        ("ann@example.org", None, None, VisitKind.SHOPPER),
        ("ann@example.org", None, "s2", VisitKind.SHOPPER),
        ("ann@example.org", None, "s1", VisitKind.STAFF),
    ],
)
def test_without_somebody_to_mail_there_is_nothing_to_do(
    raw: Engine,
    outbox: Outbox,
    post: FakePost,
    service: BillingService,
    email: str | None,
    deleted_at_ns: int | None,
    shopper_id: str | None,
    kind: VisitKind,
) -> None:
    add_shopper(raw, email, deleted_at_ns)
    buy(service, shopper_id, kind)
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=1)
    assert post.sent == []


def test_a_declined_charge_is_mailed_as_such(
    raw: Engine, outbox: Outbox, post: FakePost, store: BillingStore, book: PriceBook
) -> None:
    add_shopper(raw)
    buy(BillingService(book, store, SandboxGateway(script=["decline", "decline"])))  # the hold, the charge without it
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=1)
    assert "payment declined" in str(post.sent[0])


def test_late_mail_tells_only_how_things_stand(
    raw: Engine, outbox: Outbox, post: FakePost, service: BillingService, book: PriceBook
) -> None:
    """Mail of the first charge was held up until its receipt was corrected: each charge has its own receipt."""
    add_shopper(raw)
    buy(service)
    service.correct(CorrectionRequest("c1", "v1", (ItemCount("bread", 1),), "op", T0 + 2 * S))
    assert outbox.deliver_due(T0 + 2 * S) == Delivered(delivered=2)
    first, second = (mail.get_body(("plain",)).get_content() for mail in post.sent)
    assert "Bread" not in first
    assert "Bread" in second
    service.correct(CorrectionRequest("c2", "v1", (ItemCount("bread", 1),), "op", T0 + 3 * S))
    for delivery in outbox.deliveries(ENDPOINT_ID)[1:]:
        outbox.replay(delivery.delivery_id, T0 + 3 * S)
    post.sent.clear()
    assert outbox.deliver_due(T0 + 3 * S) == Delivered(delivered=3)
    assert len(post.sent) == 2  # nothing for the correction in the middle: its receipt is no longer there


def test_register_changes_nothing_a_second_time(mailer: Mailer, outbox: Outbox) -> None:
    outbox.disable(ENDPOINT_ID, T0)
    assert mailer.register(T0 + S).disabled_at_ns == T0
    assert len(outbox.endpoints()) == 1


def test_mail_is_in_the_shoppers_language_and_the_stores_time(
    store: BillingStore, raw: Engine, post: FakePost, service: BillingService
) -> None:
    mailer = Mailer(store, post, MAIL, ZoneInfo("Europe/Paris"))
    mailer.register(T0)
    add_shopper(raw, locale="fr-CA")
    buy(service)
    with Outbox(store, mailer, ROUND) as outbox:
        outbox.deliver_due(T0 + S)
    assert post.sent[0]["Subject"] == "Ticket de caisse v1"
    page = post.sent[0].get_body(("html",)).get_content()
    assert page.startswith("<!doctype html><html lang='fr'>")
    assert "17:59:07" in page


def test_a_visits_id_cannot_write_headers(post: FakePost, outbox: Outbox, raw: Engine, service: BillingService) -> None:
    add_shopper(raw)
    buy(service, visit_id="v1\r\nBcc: all@example.org")
    assert outbox.deliver_due(T0 + S) == Delivered(delivered=1)
    assert post.sent[0]["Subject"] == "Receipt v1  Bcc: all@example.org"
    assert post.sent[0]["Bcc"] is None


def test_mail_is_for_charges_alone(mailer: Mailer, post: FakePost) -> None:
    with pytest.raises(DeliveryRefused, match="only mail:receipts is mailed"):
        mailer.post("mail:other", {}, b"{}", 1)
    with pytest.raises(DeliveryRefused, match="mail goes out for charges alone"):
        mailer.post(URL, {}, b"{}", 1)


def test_statuses_tell_whether_something_was_mailed(
    store: BillingStore, mailer: Mailer, raw: Engine, service: BillingService
) -> None:
    statuses = []

    class Watching:
        def post(self, *sent: Any) -> int:
            statuses.append(mailer.post(*sent))
            return statuses[-1]

    buy(service)
    with Outbox(store, Watching(), ROUND) as outbox:
        outbox.deliver_due(T0 + S)
        add_shopper(raw)
        outbox.replay(outbox.deliveries(ENDPOINT_ID)[0].delivery_id, T0 + S)
        outbox.deliver_due(T0 + S)
    assert statuses == [NOTHING_TO_DO, SENT]


@dataclass
class Server:
    """What an SMTP server on this machine took, and what it answers instead."""

    port: int = 0
    mails: list[Any] = field(default_factory=list)
    rcpt: str | None = None
    data: str | None = None

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.rcpt is None:
            envelope.rcpt_tos.append(address)
        return self.rcpt or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.data is None:
            self.mails.append((session, envelope))
        return self.data or "250 taken"


@contextmanager
def serving(accept_tls: ssl.SSLContext | None = None, **settings: Any) -> Iterator[Server]:
    """Run an SMTP server on a free port; with ``accept_tls``, TLS from the start."""
    server, loop, ready = Server(), asyncio.new_event_loop(), threading.Event()

    async def listen() -> asyncio.Server:
        make: Callable[[], SMTP] = lambda: SMTP(server, hostname="localhost", loop=loop, **settings)  # noqa: E731
        return await loop.create_server(make, "127.0.0.1", 0, ssl=accept_tls)

    def run() -> None:
        asyncio.set_event_loop(loop)
        listener = loop.run_until_complete(listen())
        server.port = listener.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        listener.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def mail_policy(server: Server, **settings: Any) -> MailPolicy:
    return MailPolicy(**{**MAIL.model_dump(), "port": server.port, **settings})


def letter(to: str = "ann@example.org") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Shop <receipts@shop.example>", to, "Receipt"
    message.set_content("Käse 2,98 €\n", cte="quoted-printable")
    return message


def test_smtp_hands_the_whole_receipt_over(store: BillingStore, raw: Engine, service: BillingService) -> None:
    add_shopper(raw)
    buy(service)
    with serving() as server:
        mailer = Mailer(store, SmtpPost(mail_policy(server)), MAIL)
        mailer.register(T0)
        with Outbox(store, mailer, ROUND) as outbox:
            outbox.replay_since(ENDPOINT_ID, T0 + S)
            assert outbox.deliver_due(T0 + S) == Delivered(delivered=1)
    ((session, envelope),) = server.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("receipts@shop.example", ["ann@example.org"])
    assert session.host_name == "shop.example"
    assert envelope.content.isascii()
    mail = message_from_bytes(envelope.content, policy=default)
    assert mail["From"] == "Käse & Co <receipts@shop.example>"
    assert "€2.98" in mail.get_body(("plain",)).get_content()
    assert "€2.98" in mail.get_body(("html",)).get_content()


def test_smtp_by_tls_with_a_password(tmp_path: Path) -> None:
    for_server, for_client = local_tls(tmp_path)

    def check(server: SMTP, session: Any, envelope: Any, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (b"till", b"word"), handled=False)

    settings = {"tls_context": for_server, "require_starttls": True, "auth_required": True, "authenticator": check}
    with serving(**settings) as server:
        policy = mail_policy(server, security="starttls", user="till")
        SmtpPost(policy, "word", for_client).send(letter(), 30)
        assert len(server.mails) == 1
        with pytest.raises(DeliveryError, match="SMTPAuthenticationError") as wrong:
            SmtpPost(policy, "wrong", for_client).send(letter(), 30)
        assert not isinstance(wrong.value, DeliveryRefused)  # a password can be mended
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            SmtpPost(policy, "word").send(letter(), 30)
    assert len(server.mails) == 1


def test_smtp_by_tls_from_the_start(tmp_path: Path) -> None:
    for_server, for_client = local_tls(tmp_path)
    with serving(accept_tls=for_server) as server:
        SmtpPost(mail_policy(server, security="tls"), context=for_client).send(letter(), 30)
    assert len(server.mails) == 1


def test_smtp_does_not_fall_back_to_clear_text() -> None:
    with serving() as server, pytest.raises(DeliveryError, match="SMTPNotSupportedError: STARTTLS"):
        SmtpPost(mail_policy(server, security="starttls")).send(letter(), 30)
    assert server.mails == []


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"rcpt": "550 no such mailbox"}, DeliveryRefused),
        ({"rcpt": "450 greylisted"}, DeliveryError),
        ({"data": "554 too spammy"}, DeliveryRefused),
        ({"data": "451 disk full"}, DeliveryError),
    ],
)
def test_smtp_refusals_are_for_good_or_for_now(answers: dict[str, str], kind: type[DeliveryError]) -> None:
    with serving() as server:
        for name, answer in answers.items():
            setattr(server, name, answer)
        with pytest.raises(DeliveryError, match=f"mail server said {next(iter(answers.values()))}") as said:
            SmtpPost(mail_policy(server)).send(letter(), 30)
    assert type(said.value) is kind


def test_smtp_without_a_server_is_no_answer() -> None:
    with serving() as server:
        gone = mail_policy(server)
    with pytest.raises(DeliveryError, match=r"mail server 127.0.0.1: ConnectionRefusedError"):
        SmtpPost(gone).send(letter(), 30)


def test_smtp_needs_the_users_password() -> None:
    with pytest.raises(ValueError, match="the user till needs a password"):
        SmtpPost(MailPolicy(host="localhost", sender="a@b.example", user="till"))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"security": "none", "host": "mail.example"}, "sends mail in clear to mail.example: use starttls or tls"),
        ({"sender": "shop"}, "is no address"),
        ({"sender": ""}, "is no address"),
        ({"sender": "a@b.c\nBcc: d@e.f"}, "is no address"),
        ({"sender": "receipts@käse.example"}, "write an international domain as xn--"),
        ({"sender_name": "Shop\nBcc: d@e.f"}, "one line"),
        ({"port": 0}, "greater than or equal to 1"),
    ],
)
def test_mail_settings_that_cannot_be_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MailPolicy(**{"host": "localhost", "sender": "receipts@shop.example", **settings})


def test_a_shoppers_row_has_all_that_a_letter_needs(raw: Engine, store: BillingStore, service: BillingService) -> None:
    add_shopper(raw)
    buy(service)
    with store.reading() as books:
        assert rows.recipient(books, "v1") == rows.Recipient("ann@example.org", "Ann", "en")
