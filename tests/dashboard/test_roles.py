"""What each role may."""

from __future__ import annotations

import pytest

from billing.access import Scope
from dashboard.roles import SCOPES, Right, Role, rights_of, role_of


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.VIEWER, {Right.LOOK}),
        (Role.OPERATOR, {Right.LOOK, Right.ANSWER, Right.COUNT}),
        (Role.MANAGER, set(Right)),
        (Role.AUDITOR, {Right.LOOK, Right.MONEY, Right.AUDIT}),
    ],
)
def test_each_role_has_its_rights(role: Role, rights: set[Right]) -> None:
    assert rights_of(SCOPES[role]) == rights
    assert role_of(SCOPES[role]) is role


def test_machines_are_nobody() -> None:
    assert rights_of({Scope.GATE, Scope.VISION, Scope.POS}) == set()
    assert role_of(frozenset({Scope.GATE})) is None
    assert role_of(frozenset({Scope.OPERATOR, Scope.GATE})) is Role.OPERATOR
