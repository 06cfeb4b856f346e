"""Mail by SMTP, with the standard library. Each mail has a connection of its own."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from billing.errors import DeliveryError, DeliveryRefused
from billing.policy import MailPolicy


class SmtpPost:
    """A ``Post`` that hands mail to the server of its settings."""

    def __init__(self, policy: MailPolicy, password: str | None = None, context: ssl.SSLContext | None = None) -> None:
        """``context`` says whom to trust in place of the system's CAs.

        Raises ValueError for a user without a password.
        """
        if policy.user is not None and password is None:
            raise ValueError(f"mail: the user {policy.user} needs a password")
        self._policy, self._password = policy, password
        self._context = context or ssl.create_default_context()

    def send(self, message: EmailMessage, timeout_s: float) -> None:
        """See ``Post.send``. ``timeout_s`` bounds each answer of the server, not all of them together.

        A server that refuses the receiver or the text for good (5xx) raises DeliveryRefused. One that refuses the sender or
        the password raises DeliveryError: that can be mended, and nothing is lost meanwhile.
        """
        try:
            with self._session(timeout_s) as session:
                session.send_message(message)
        except smtplib.SMTPRecipientsRefused as refusal:
            code, text = next(iter(refusal.recipients.values()))
            raise _error(code, text) from refusal
        except smtplib.SMTPDataError as refusal:
            raise _error(refusal.smtp_code, refusal.smtp_error) from refusal
        except (smtplib.SMTPException, OSError) as fault:
            raise DeliveryError(f"mail server {self._policy.host}: {type(fault).__name__}: {fault}") from fault

    @contextmanager
    def _session(self, timeout_s: float) -> Iterator[smtplib.SMTP]:
        session = self._connect(timeout_s)
        try:
            if self._policy.security == "starttls":
                session.starttls(context=self._context)
            if self._policy.user is not None and self._password is not None:
                session.login(self._policy.user, self._password)
            yield session
            with suppress(smtplib.SMTPException, OSError):  # the mail is taken already
                session.quit()
        finally:
            session.close()

    def _connect(self, timeout_s: float) -> smtplib.SMTP:
        host, port = self._policy.host, self._policy.port
        name = self._policy.sender.rpartition("@")[
            2
        ]  # as HELO; the machine's own would be looked up, which can take long
        if self._policy.security == "tls":
            return smtplib.SMTP_SSL(host, port, name, timeout=timeout_s, context=self._context)
        return smtplib.SMTP(host, port, name, timeout=timeout_s)


def _error(code: int, text: bytes | str) -> DeliveryError:
    said = f"mail server said {code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return DeliveryRefused(said) if code >= 500 else DeliveryError(said)
