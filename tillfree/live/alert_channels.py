"""The ways on which alerts reach people: a webhook, signed as billing signs its own, and e-mail."""

from __future__ import annotations

import datetime as dt
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol

from billing.mail import Post
from billing.outbox import Sender
from billing.policy import mail_address
from tillfree.live.alert_settings import Email
from tillfree.live.alert_words import body_of, one_line, text_of, title_of
from tillfree.live.alerts import Message
from tillfree.live.hooks import Webhook, post_signed

_S = 1_000_000_000


class Channel(Protocol):
    """A way on which messages reach somebody. One thread calls ``send``."""

    @property
    def name(self) -> str:
        """What it is, for people; holds no secret."""
        ...

    def send(self, message: Message, at_ns: int, timeout_s: float) -> None:
        """Hand a message over, at ``at_ns``. The same message again has the same id.

        Raises:
            DeliveryError: it may have arrived or not.
            DeliveryRefused: it will never be taken.
        """
        ...


class WebhookChannel:
    """Posts messages as JSON, by the Standard Webhooks scheme. Only the host of the address is ever shown."""

    def __init__(self, told: Webhook, sender: Sender, store: str, zone: dt.tzinfo) -> None:
        self._told, self._sender, self._store, self._zone = told, sender, store, zone
        self.name = f"webhook to {told.host}"

    def send(self, message: Message, at_ns: int, timeout_s: float) -> None:
        """See ``Channel.send``."""
        message_id = id_of(message)
        body = body_of(message, message_id, self._store, self._zone)
        post_signed(self._sender, self._told, message_id, at_ns, body, timeout_s)


class EmailChannel:
    """Mails messages as plain text, one to all who are told."""

    def __init__(self, told: Email, post: Post, store: str, zone: dt.tzinfo) -> None:
        self._told, self._post, self._store, self._zone = told, post, store, zone
        self.name = f"e-mail by {told.policy.host}"

    def send(self, message: Message, at_ns: int, timeout_s: float) -> None:
        """See ``Channel.send``."""
        del at_ns
        self._post.send(self._letter(message), timeout_s)

    def _letter(self, message: Message) -> EmailMessage:
        policy, letter = self._told.policy, EmailMessage(SMTP)
        sender = mail_address(policy.sender, policy.sender_name or one_line(self._store))
        letter["From"] = sender
        letter["To"] = ", ".join(self._told.to)
        letter["Subject"] = title_of(message, self._store)
        letter["Date"] = dt.datetime.fromtimestamp(message.at_ns // _S, dt.UTC)
        letter["Message-ID"] = f"<{id_of(message)}@{sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        letter.set_content(text_of(message, self._store, self._zone), cte="quoted-printable")
        return letter


def id_of(message: Message) -> str:
    """Return a message's id as receivers know it: the same however often it is sent."""
    return f"alert_{message.at_ns}"
