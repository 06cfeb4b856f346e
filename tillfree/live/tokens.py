"""The token of a scan by entry pass: the pass itself, so that the event log alone can open the visit in billing later.

A pass in the log is spent: gates have taken it, it is valid for a minute, and billing believes only a gate's key that it was
seen in time.
"""

from __future__ import annotations

import hashlib

_PREFIX = "pass:"


def pass_token(pass_text: str) -> str:
    """Return the token of a scan by this pass; it fits where billing takes tokens (255 characters)."""
    return _PREFIX + pass_text


def pass_of(token: str) -> str | None:
    """Return the pass of a token, None for a token of a card, of cash or of staff."""
    return token.removeprefix(_PREFIX) if token.startswith(_PREFIX) else None


def token_name(token: str) -> str:
    """Return what people and logs may see of a token: never what opens a gate or pays."""
    if token in ("cash", "staff"):
        return token
    kind = "pass" if pass_of(token) is not None else "card"
    return f"{kind}-{hashlib.sha256(token.encode()).hexdigest()[:12]}"
