"""Who has which question open: a claim holds for a while, and is renewed while the page is open."""

from __future__ import annotations

from dataclasses import dataclass

_S = 1_000_000_000
HOLD_NS = 45 * _S
"""How long a claim holds that nobody renews: long enough to answer on a page without scripts."""
GRACE_NS = 3 * _S
"""How long it holds when its page goes: a page that is loaded again finds it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """``who`` has a question until ``until_ns``."""

    who: str
    until_ns: int


class Claims:
    """The claims of all questions. Not safe for several threads: ``ReviewDesk`` guards it."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}

    def holder(self, review_id: str, at_ns: int) -> str | None:
        """Return who has a question, None for nobody."""
        claim = self._claims.get(review_id)
        return claim.who if claim is not None and at_ns < claim.until_ns else None

    def take(self, review_id: str, who: str, at_ns: int) -> bool:
        """Claim a question, or renew the claim; False where somebody else has it."""
        if self.holder(review_id, at_ns) not in (None, who):
            return False
        self._claims[review_id] = Claim(who, at_ns + HOLD_NS)
        return True

    def leave(self, review_id: str, who: str, at_ns: int) -> None:
        """Let a claim end in a moment, for its page goes; it may be loaded again."""
        if self.holder(review_id, at_ns) == who:
            self._claims[review_id] = Claim(who, min(self._claims[review_id].until_ns, at_ns + GRACE_NS))

    def free(self, review_id: str, who: str) -> None:
        """End somebody's claim at once."""
        claim = self._claims.get(review_id)
        if claim is not None and claim.who == who:
            del self._claims[review_id]

    def forget(self, at_ns: int) -> None:
        """Drop what has run out."""
        self._claims = {key: claim for key, claim in self._claims.items() if at_ns < claim.until_ns}
