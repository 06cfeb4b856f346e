"""Webhooks that the store file names: what it says of one, and how a signed message is posted to it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from billing.errors import DeliveryError, DeliveryRefused, EndpointError, SignatureError
from billing.outbox import Sender
from billing.webhooks import check_url, signed_headers
from store_layout.errors import InputError
from store_layout.model import Strict

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE_MEND = "write a name such as {example}, and set that variable to the {what}"
_GONE = 410


class WebhookEntry(Strict):
    """A program that is told over HTTP."""

    url: Annotated[str, Field(description="https://, or http:// to this machine alone")]
    secret_env: Annotated[
        str, Field(description="the environment variable that holds the secret messages are signed with (whsec_...)")
    ]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A program that is told. Its address may be a secret of its own: only the host is shown."""

    url: str = dataclasses.field(repr=False)
    secret: str = dataclasses.field(repr=False)

    @property
    def host(self) -> str:
        """Return what of the address may be shown."""
        return urlsplit(self.url).hostname or ""


def webhook_of(file: Path, key: str, entry: WebhookEntry, environ: Mapping[str, str], example: str) -> Webhook:
    """Return the webhook that the store file has under ``key``. Raises InputError, whose words hold no secret.

    ``example`` is a name for the variable with its secret.
    """
    try:
        check_url(entry.url)
    except EndpointError as error:
        mend = "write https://HOST/PATH"
        raise InputError(str(error).removeprefix("url: "), file=file, field=f"{key}.url", mend=mend) from None
    field = f"{key}.secret_env"
    secret = variable_of(file, field, entry.secret_env, environ, example, "secret")
    try:
        signed_headers(secret, "alert_0", 0, b"")
    except SignatureError as error:
        words = f"names a variable with no secret in it: {str(error).removeprefix('secret: ')}"
        raise InputError(words, file=file, field=field, mend="make one with 'tillfree alerts secret'") from None
    return Webhook(entry.url, secret)


def variable_of(
    file: Path,
    field: str,
    name: str,
    environ: Mapping[str, str],
    example: str = "CAM1_PASSWORD",
    what: str = "password",
) -> str:
    """Return what an environment variable holds that the store file names. Raises InputError, which does not repeat it."""
    if not _VARIABLE.fullmatch(name):
        mend = _VARIABLE_MEND.format(example=example, what=what)
        raise InputError("is no name of an environment variable", file=file, field=field, mend=mend)
    held = environ.get(name)
    if not held:
        raise InputError("names a variable that is not set", file=file, field=field, mend="set it before the start")
    return held


def post_signed(sender: Sender, hook: Webhook, message_id: str, at_ns: int, body: bytes, timeout_s: float) -> None:
    """Post a message that is signed at ``at_ns`` by the Standard Webhooks scheme. No error's words hold the address.

    Raises:
        DeliveryError: it may have arrived or not.
        DeliveryRefused: it will never be taken.
    """
    headers = signed_headers(hook.secret, message_id, at_ns, body)
    try:
        status = sender.post(hook.url, headers, body, timeout_s)
    except DeliveryError as error:
        raise type(error)(str(error).replace(hook.url, "the address")) from None  # its cause may hold the URL
    if status == _GONE:
        raise DeliveryRefused("HTTP 410: the endpoint is gone")
    if not 200 <= status < 300:
        raise DeliveryError(f"HTTP {status}")
