"""Who may see and do what: roles are sets of billing's scopes, and pages ask for rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from billing.access import Scope


class Role(StrEnum):
    """What a person is in the store."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    AUDITOR = "auditor"


class Right(StrEnum):
    """What a page or a command asks for."""

    LOOK = "look"
    """Live pictures, carts, the store's health."""
    ANSWER = "answer"
    """Reviews, visits, and giving money back."""
    COUNT = "count"
    """Saying what a slot holds."""
    MONEY = "money"
    """Cards, charges and what was refunded to whom."""
    MANAGE = "manage"
    """Settings, people, opening and closing."""
    AUDIT = "audit"
    """Who did what."""


SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.VIEWER}),
    Role.OPERATOR: frozenset({Scope.OPERATOR}),
    Role.MANAGER: frozenset({Scope.OPERATOR, Scope.ADMIN}),
    Role.AUDITOR: frozenset({Scope.AUDITOR}),
}
"""What somebody of a role may do at billing; machines' scopes are nobody's."""

_RIGHTS: Mapping[Scope, frozenset[Right]] = {
    Scope.VIEWER: frozenset({Right.LOOK}),
    Scope.OPERATOR: frozenset({Right.LOOK, Right.ANSWER, Right.COUNT}),
    Scope.AUDITOR: frozenset({Right.LOOK, Right.MONEY, Right.AUDIT}),
    Scope.ADMIN: frozenset(Right),
}


def rights_of(scopes: Iterable[Scope]) -> frozenset[Right]:
    """Return what somebody with these scopes may do; nothing for a machine's."""
    return frozenset[Right]().union(*(_RIGHTS.get(scope, frozenset()) for scope in scopes))


def role_of(scopes: frozenset[Scope]) -> Role | None:
    """Return the role that has just these scopes of people, None for a mixture of old."""
    people = scopes & _RIGHTS.keys()
    return next((role for role, wanted in SCOPES.items() if wanted == people), None)
