"""Routes of gates that decide by themselves: keys of passes, who would be refused, and who is refused for debts."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import Field

from billing.access import Scope
from billing.admission import refusal_of_pass, refusal_of_token, refused_shoppers
from billing.http.calls import Parts, Reader, reads
from billing.http.models import At, Token
from billing.http.problems import MissingToken, documented
from billing.http.times import UtcOut
from billing.passes import PassPublicKey, check
from billing.shoppers import Shoppers
from billing.types import Refusal
from store_layout.model import Strict

router = APIRouter(prefix="/v1", tags=["gates"])
_Gate = Annotated[Reader, Depends(reads(Scope.GATE))]

MOST_REFUSED = 10_000
"""Shoppers that a gate is told of: a list of half a megabyte."""


class PassKeyOut(Strict):
    """A key that passes are signed with: what a gate checks them by, no secret."""

    key_id: str
    public_key: Annotated[str, Field(description="Ed25519, SubjectPublicKeyInfo in PEM")]

    @classmethod
    def of(cls, key: PassPublicKey) -> Self:
        """Take a key apart."""
        return cls(key_id=key.key_id, public_key=key.dump().decode())


class PassRulesOut(Strict):
    """How long a pass opens a gate; all in seconds."""

    valid_s: int
    rotate_s: int
    clock_tolerance_s: int
    offline_s: int


class PassKeysOut(Strict):
    """What a gate needs to check passes by itself; a service without a shoppers' page has no keys, and no passes."""

    keys: tuple[PassKeyOut, ...]
    rules: PassRulesOut | None


class StandingIn(Strict):
    """What was shown at a gate: a card's token, or an entry pass and when it was seen."""

    token: Token | None = None
    entry_pass: Annotated[str, Field(max_length=1_000)] | None = None
    at: At = None


class StandingOut(Strict):
    """Why somebody would not be served; null where they would."""

    refused: Refusal | None


class RefusedOut(Strict):
    """Shoppers who are refused for their debts, those with the latest visits first."""

    at: UtcOut
    shopper_ids: tuple[str, ...]
    is_all: bool


@router.get("/passes/keys", response_model=PassKeysOut, responses=documented())
def list_pass_keys(reader: _Gate) -> PassKeysOut:
    """Return the keys that passes are signed with, and how long passes are valid: a gate keeps them for bad days."""
    shoppers = reader.parts.shoppers
    if shoppers is None:
        return PassKeysOut(keys=(), rules=None)
    rules = PassRulesOut(**shoppers.passes.model_dump())
    return PassKeysOut(keys=(PassKeyOut.of(shoppers.keyring.pass_key.public()),), rules=rules)


@router.get("/passes/refused", response_model=RefusedOut, responses=documented())
def list_refused(reader: _Gate) -> RefusedOut:
    """Return who is refused for debts, for a gate that cannot ask about each: 10,000 shoppers at most."""
    found = refused_shoppers(reader.parts.service, MOST_REFUSED + 1)
    return RefusedOut(at=reader.at_ns, shopper_ids=found[:MOST_REFUSED], is_all=len(found) <= MOST_REFUSED)


@router.post("/standing", response_model=StandingOut, responses=documented(400, 413, 422))
def tell_standing(given: StandingIn, reader: _Gate) -> StandingOut:
    """Say whether somebody would be served. It changes nothing, and is a POST since tokens have no place in a URL."""
    if (given.token is None) == (given.entry_pass is None):
        raise MissingToken("send a token or an entry pass, one of them")
    if given.token is not None:
        return StandingOut(refused=refusal_of_token(reader.parts.service, given.token))
    shoppers, seen_ns = _shoppers(reader.parts), given.at or reader.at_ns
    entry = check(given.entry_pass or "", (shoppers.keyring.pass_key.public(),), seen_ns, shoppers.passes)
    return StandingOut(refused=refusal_of_pass(reader.parts.service, entry))


def _shoppers(parts: Parts) -> Shoppers:
    if parts.shoppers is None:
        raise MissingToken("this service has no shoppers' page, and no entry passes: send a token")
    return parts.shoppers
