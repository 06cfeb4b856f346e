"""People's passwords, by argon2id with the library's settings (RFC 9106, low memory)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from billing.errors import AccessDenied

LEAST_CHARACTERS = 10
"""Shorter ones are guessed; NIST SP 800-63B asks for 8 at least."""

MOST_CHARACTERS = 200
"""Longer ones only cost time to hash."""

NO_PASSWORD = "none yet"  # noqa: S105 - says that there is none
"""What is kept of somebody who has not chosen a password: nothing that is typed is it."""

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """Return what is kept of a password. Raises AccessDenied for one that is too short or too long."""
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise AccessDenied(f"a password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters")
    return _HASHER.hash(password)


def is_password(password: str, kept: str | None) -> bool:
    """Tell whether ``kept`` is of ``password``; takes as long where nothing is kept."""
    if len(password) > MOST_CHARACTERS:
        return False
    if kept == NO_PASSWORD:
        kept = None
    try:
        return _HASHER.verify(kept or _nobody(), password) and kept is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _HASHER.hash("nobody has this password")
