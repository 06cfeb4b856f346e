"""Webhooks by the Standard Webhooks scheme (https://www.standardwebhooks.com): what is sent, signed and believed.

A sender and a receiver share a secret. The signature is HMAC-SHA256 over webhook-id, webhook-timestamp and the body as
it is sent, joined by full stops.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import JsonValue

from billing.errors import EndpointError, SignatureError
from billing.http.times import rfc3339
from billing.policy import is_loopback
from billing.types import Event
from store_layout.model import Strict

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE_S = 300
"""How far a signature's time may lie from a receiver's: what the scheme's own libraries take."""

_NS = 10**9
_PREFIX = "whsec_"
_FRESH_SECRET_BYTES = 32
_SECRET_BYTES = range(24, 65)  # the specification's bounds
_LONGEST_URL = 2_048
_URL_LETTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986; no blanks, backslashes or controls


class Envelope(Strict):
    """The body of a webhook: an event, ``at`` as RFC 3339 in UTC with nanoseconds, ``data`` by its ``type``."""

    id: str
    type: str
    at: str
    visit_id: str
    data: dict[str, JsonValue]

    @classmethod
    def of(cls, event: Event) -> Envelope:
        """Put an event into its envelope."""
        return cls(
            id=webhook_id(event.event_id),
            type=event.topic,
            at=rfc3339(event.at_ns),
            visit_id=event.visit_id,
            data=json.loads(event.body),
        )


def webhook_id(event_id: int) -> str:
    """Return the id of an event as receivers know it; it is the same however often it is sent, and has no full stop."""
    return f"evt_{event_id}"


def new_secret(random_bytes: bytes | None = None) -> str:
    """Return a secret, random unless the bytes are given. Raises SignatureError for too few or too many bytes."""
    secret = _PREFIX + base64.b64encode(random_bytes or secrets.token_bytes(_FRESH_SECRET_BYTES)).decode()
    _key(secret)
    return secret


def signed_headers(secret: str, message_id: str, at_ns: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook that is sent at ``at_ns``. Raises SignatureError for a malformed secret."""
    timestamp = str(at_ns // _NS)
    return {
        "content-type": "application/json",
        ID: message_id,
        TIMESTAMP: timestamp,
        SIGNATURE: f"v1,{base64.b64encode(_mac(secret, message_id, timestamp, body)).decode()}",
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, at_ns: int, tolerance_s: float = TOLERANCE_S) -> str:
    """Return the id of a webhook that whoever has ``secret`` signed within ``tolerance_s`` of ``at_ns``.

    ``body`` is what came, byte by byte. The id is the same when the webhook comes again: keep it, to act on it once.

    Raises SignatureError for a header that is missing or malformed, a signature that is not over this, and a time that is
    too far away.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not found.get(name)]
    if missing:
        raise SignatureError(f"header {missing[0]} is missing")
    message_id, timestamp = found[ID], found[TIMESTAMP]
    expected = _mac(secret, message_id, timestamp, body)
    if not any(hmac.compare_digest(expected, each) for each in _signatures(found[SIGNATURE])):
        raise SignatureError(f"{message_id}: no signature is over this body, id and time with this secret")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignatureError(f"{message_id}: {TIMESTAMP} must be Unix seconds, is {timestamp!r}")
    apart_ns = abs(at_ns - int(timestamp) * _NS)
    if apart_ns > tolerance_s * _NS:
        raise SignatureError(
            f"{message_id}: signed {apart_ns // _NS} s away from now, at most {tolerance_s:g} s are allowed"
        )
    return message_id


def check_url(url: str) -> None:
    """Let pass what an endpoint may be: https, or http to this machine.

    Names are not resolved: one may lead into the network that this runs in. Raises EndpointError for anything else.
    """
    if len(url) > _LONGEST_URL or not _URL_LETTERS.fullmatch(url):
        raise EndpointError(f"url: must be at most {_LONGEST_URL} letters of RFC 3986, without blanks and backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError as fault:
        raise EndpointError(f"url: {fault}") from fault
    if not host:
        raise EndpointError("url: has no host; write https://host/path")
    if parts.username is not None or parts.password is not None:
        raise EndpointError("url: must hold no user or password; the signature tells who sends")
    if parts.fragment:
        raise EndpointError("url: must have no fragment (#), which is never sent")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise EndpointError(f"url: must be https; http goes to this machine alone (localhost), not to {host}")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as fault:  # ValueError: letters beyond ASCII
        raise SignatureError("secret: must be whsec_ and base64") from fault
    if not secret.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
        raise SignatureError(
            f"secret: must be whsec_ and base64 of {_SECRET_BYTES[0]} to {_SECRET_BYTES[-1]} bytes, has {len(key)}"
        )
    return key


def _mac(secret: str, message_id: str, timestamp: str, body: bytes) -> bytes:
    head = f"{message_id}.{timestamp}.".encode(errors="backslashreplace")  # a header's odd letters are no error of ours
    return hmac.digest(_key(secret), head + body, hashlib.sha256)


def _signatures(header: str) -> list[bytes]:
    """Return the signatures of version 1 in a header that may have several, of several versions; malformed ones match nothing."""
    found = []
    for each in header.split(" "):
        version, _, text = each.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
