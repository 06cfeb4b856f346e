"""Entry passes: what a shopper's phone shows as a QR code at the gate, and how a gate checks it without a network.

A pass says who, when and a nonce, signed with the store's Ed25519 key (RFC 8032). It is 102 bytes, big endian:

    1  format version
    4  key id: the first bytes of the public key's SHA-256
   16  shopper id
    5  issued at, Unix seconds
   12  nonce
   64  signature over a context and all bytes before it

The bytes are one number, written as 246 decimal digits. QR codes pack digits almost without loss, so it fits version 6
at error correction M, and a scanner that types as a keyboard sends digits alike in every layout that it may be set to.

``check`` knows the pass alone. Whether it was used before is known to ``Replays``, for one gate, or to a database.
"""

from __future__ import annotations

import hashlib
import heapq
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Self
from uuid import UUID

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import Field, model_validator

from billing.errors import (
    PassExpired,
    PassForged,
    PassFromFuture,
    PassInputError,
    PassKeyUnknown,
    PassMalformed,
)
from store_layout.model import Strict

NONCE_BYTES = 12
"""96 bits: among a billion passes, two share a nonce with a chance below 1 in 10^10 (birthday bound)."""

_VERSION = 1
_KEY_ID_BYTES = 4
_SHOPPER_BYTES = 16
_TIME_BYTES = 5
_SIGNATURE_BYTES = 64
_BODY_BYTES = 1 + _KEY_ID_BYTES + _SHOPPER_BYTES + _TIME_BYTES + NONCE_BYTES
_PASS_BYTES = _BODY_BYTES + _SIGNATURE_BYTES
_DIGITS = len(str(256**_PASS_BYTES - 1))
_CONTEXT = b"tillfree entry pass\0"
"""Signed before the body, so that nothing else signed with the same key can be taken for a pass."""
_S = 10**9


class PassPolicy(Strict):
    """How long a pass opens a gate, and how often a phone shows a new one."""

    valid_s: Annotated[int, Field(ge=5, le=600)] = Field(
        default=60,
        description="seconds from a pass's issue within which gates take it; a minute outlasts a slow network and a queue, and is short for whoever photographs a screen",
    )
    rotate_s: Annotated[int, Field(ge=1, le=300)] = Field(
        default=20,
        description="seconds after which a phone shows the next pass; a third of valid_s, so that one lost request for a pass goes unnoticed",
    )
    clock_tolerance_s: Annotated[int, Field(ge=0, le=120)] = Field(
        default=10,
        description="seconds by which a gate's clock may lag behind the issuer's before passes seem to come from the future; NTP keeps well within one, ten also covers days without it at a quartz clock's 20 ppm",
    )
    offline_s: Annotated[int, Field(ge=0, le=7 * 86_400)] = Field(
        default=86_400,
        description="seconds after which billing no longer takes a gate's word that it saw a pass while it was valid; a day outlasts a network that is mended the next morning, and bounds what a stolen gate's key can do with old passes",
    )

    @model_validator(mode="after")
    def _lasts_while_it_is_shown(self) -> Self:
        """Refuse a pass that ends while it is still shown, at a gate whose clock is ahead by all that is allowed."""
        least_s = self.rotate_s + self.clock_tolerance_s + 1  # issue times are cut to whole seconds
        if self.valid_s < least_s:
            raise ValueError(
                f"valid_s {self.valid_s} is less than rotate_s + clock_tolerance_s + 1 = {least_s}: a pass would end while "
                "a phone shows it; raise valid_s, or lower the others"
            )
        return self


@dataclass(frozen=True, slots=True)
class EntryPass:
    """A pass whose signature and times were found good."""

    shopper_id: UUID
    nonce: bytes
    issued_at_ns: int
    expires_at_ns: int
    """The first nanosecond at which it is refused."""


@dataclass(frozen=True, slots=True)
class PassPublicKey:
    """What a gate needs to check passes; no secret."""

    _key: Ed25519PublicKey

    @classmethod
    def load(cls, pem: bytes) -> PassPublicKey:
        """Read a public key (SubjectPublicKeyInfo in PEM).

        Raises:
            PassInputError: it is no Ed25519 public key.
        """
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise PassInputError(
                f"public key: cannot be read, give the PEM that PassPublicKey.dump wrote: {error}"
            ) from error
        if not isinstance(key, Ed25519PublicKey):
            raise PassInputError("public key: is not an Ed25519 key, give the PEM that PassPublicKey.dump wrote")
        return cls(key)

    def dump(self) -> bytes:
        """Return the key as PEM."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def key_id(self) -> str:
        """The first 4 bytes of the SHA-256 of the raw key, in hexadecimal."""
        return hashlib.sha256(self._key.public_bytes_raw()).digest()[:_KEY_ID_BYTES].hex()

    def has_signed(self, signature: bytes, body: bytes) -> bool:
        """Tell whether the signature over a pass's body is this key's."""
        try:
            self._key.verify(signature, _CONTEXT + body)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PassKey:
    """The store's secret key, with which passes are issued. Gates never have it."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> PassKey:
        """Make a new key out of the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, pem: bytes) -> PassKey:
        """Read a secret key (PKCS #8 in PEM, not encrypted).

        Raises:
            PassInputError: it is no Ed25519 key, or needs a password.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PassInputError(f"pass key: cannot be read, give the PEM that PassKey.dump wrote: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise PassInputError("pass key: is not an Ed25519 key, give the PEM that PassKey.dump wrote")
        return cls(key)

    def dump(self) -> bytes:
        """Return the secret key as PEM, not encrypted: whoever has it can make passes for anybody."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def public(self) -> PassPublicKey:
        """Return what gates need."""
        return PassPublicKey(self._key.public_key())

    def sign(self, body: bytes) -> bytes:
        """Return the signature over a pass's body."""
        return self._key.sign(_CONTEXT + body)


def random_nonce() -> bytes:
    """Return a nonce for ``issue`` from the operating system's randomness: the one place that draws any."""
    return secrets.token_bytes(NONCE_BYTES)


def issue(key: PassKey, shopper_id: UUID, nonce: bytes, at_ns: int) -> str:
    """Return the pass of a shopper, 246 digits. ``at_ns`` is cut to whole seconds.

    Raises:
        PassInputError: the nonce has not 12 bytes, or the time is before 1970 or after the year 36,000.
    """
    if len(nonce) != NONCE_BYTES:
        raise PassInputError(f"nonce: has {len(nonce)} bytes, a pass needs {NONCE_BYTES}; take random_nonce()")
    issued_at_s = at_ns // _S
    if not 0 <= issued_at_s < 256**_TIME_BYTES:
        raise PassInputError(f"at_ns: {at_ns} fits no pass, give Unix time in nanoseconds")
    key_id = bytes.fromhex(key.public().key_id)
    body = bytes([_VERSION]) + key_id + shopper_id.bytes + issued_at_s.to_bytes(_TIME_BYTES) + nonce
    return str(int.from_bytes(body + key.sign(body))).zfill(_DIGITS)


def check(pass_text: str, public_keys: Collection[PassPublicKey], at_ns: int, policy: PassPolicy) -> EntryPass:
    """Return what a pass says, if one of the keys signed it and it is valid at ``at_ns``.

    It is valid from ``clock_tolerance_s`` before its issue, for clocks that lag, until just before ``valid_s`` after it.
    Give all keys that passes may still be signed with: the old and the new one while keys are changed.

    Raises:
        PassMalformed: it is not 246 digits, no number of 102 bytes, or of another format version.
        PassKeyUnknown: none of the keys has its key id.
        PassForged: the signature is not over what it says.
        PassExpired: its time is over.
        PassFromFuture: it was issued later than ``clock_tolerance_s`` after ``at_ns``.
    """
    body, signature = _split(pass_text)
    key_id, shopper_id, issued_at_s, nonce = _fields(body)
    keys = [key for key in public_keys if key.key_id == key_id]
    if not keys:
        raise PassKeyUnknown(f"the pass is signed with key {key_id}, which this gate does not have")
    if not any(key.has_signed(signature, body) for key in keys):
        raise PassForged(f"the pass is not signed by key {key_id}")
    issued_at_ns = issued_at_s * _S
    entry = EntryPass(shopper_id, nonce, issued_at_ns, issued_at_ns + policy.valid_s * _S)
    if at_ns >= entry.expires_at_ns:
        raise PassExpired(
            f"the pass was issued {(at_ns - issued_at_ns) // _S} s ago and is valid for {policy.valid_s} s"
        )
    if at_ns < issued_at_ns - policy.clock_tolerance_s * _S:
        ahead_s = -((at_ns - issued_at_ns) // _S)
        raise PassFromFuture(f"the pass was issued {ahead_s} s later than this gate's clock says: set the clock")
    return entry


def _split(pass_text: str) -> tuple[bytes, bytes]:
    """Return a pass's body and signature."""
    if len(pass_text) != _DIGITS or not (pass_text.isascii() and pass_text.isdigit()):
        raise PassMalformed(f"a pass has {_DIGITS} digits, this is something else")
    number = int(pass_text)
    if number >= 256**_PASS_BYTES:
        raise PassMalformed(f"the digits are no number of {_PASS_BYTES} bytes")
    packed = number.to_bytes(_PASS_BYTES)
    return packed[:_BODY_BYTES], packed[_BODY_BYTES:]


def _fields(body: bytes) -> tuple[str, UUID, int, bytes]:
    """Return key id, shopper, issue time in Unix seconds, and nonce."""
    if body[0] != _VERSION:
        raise PassMalformed(f"the pass has format {body[0]}, this gate reads {_VERSION}")
    shopper_at = 1 + _KEY_ID_BYTES
    time_at = shopper_at + _SHOPPER_BYTES
    nonce_at = time_at + _TIME_BYTES
    shopper_id = UUID(bytes=body[shopper_at:time_at])
    return body[1:shopper_at].hex(), shopper_id, int.from_bytes(body[time_at:nonce_at]), body[nonce_at:]


class Replays:
    """The passes that one gate has taken, each until it expires. For gates without a network; not for several threads.

    A pass is taken once, whatever the gate's clock does: what was forgotten, because its time was over or because
    ``most`` were remembered, leaves its issue time behind, and passes no younger than that are refused.
    """

    def __init__(self, most: int = 10_000, forgotten_ns: int = -1) -> None:
        """``most`` passes are remembered: far more than walk through one gate in ``valid_s``.

        ``forgotten_ns`` is that of the ``Replays`` whose work this goes on with.

        Raises:
            PassInputError: ``most`` is below 1.
        """
        if most < 1:
            raise PassInputError(f"most: {most} would remember nothing, give 1 or more")
        self._most = most
        self._nonces: set[bytes] = set()
        self._queue: list[tuple[int, int, bytes]] = []  # a heap of (expires_at_ns, issued_at_ns, nonce)
        self._forgotten_ns = forgotten_ns

    @property
    def forgotten_ns(self) -> int:
        """Return the youngest issue time that was forgotten, -1 for none: no pass of then or before is taken."""
        return self._forgotten_ns

    def __len__(self) -> int:
        return len(self._nonces)

    def first(self, entry: EntryPass, at_ns: int) -> bool:
        """Tell whether a checked pass is shown for the first time, and remember it."""
        self._forget(at_ns)
        is_over = entry.expires_at_ns <= at_ns or entry.issued_at_ns <= self._forgotten_ns
        if is_over or entry.nonce in self._nonces:
            return False
        if len(self._nonces) == self._most:
            self._forget_next()
        self._nonces.add(entry.nonce)
        heapq.heappush(self._queue, (entry.expires_at_ns, entry.issued_at_ns, entry.nonce))
        return True

    def _forget(self, at_ns: int) -> None:
        while self._queue and self._queue[0][0] <= at_ns:
            self._forget_next()

    def _forget_next(self) -> None:
        _, issued_at_ns, nonce = heapq.heappop(self._queue)
        self._nonces.remove(nonce)
        self._forgotten_ns = max(self._forgotten_ns, issued_at_ns)
