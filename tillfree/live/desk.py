"""The dashboard of a store that runs: its hub, what feeds it, and its service."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from fastapi import FastAPI

from billing.access import Access
from dashboard.app import create_app
from dashboard.desk import Desk, SetUp
from dashboard.live.hub import Hub
from dashboard.roles import Right, rights_of
from store_layout.geometry import StoreGeometry
from tillfree.live.storefile import DashboardEntry
from tillfree.live.tap import LiveTap
from tillfree.system import system_clock


@dataclass(frozen=True, slots=True)
class LiveDesk:
    """The app, what feeds it, and what to say to whoever starts the store."""

    app: FastAPI
    tap: LiveTap
    told: str


def open_desk(entry: DashboardEntry, operators: Access, geometry: StoreGeometry, stack: ExitStack) -> LiveDesk:
    """Put the dashboard together; ``stack`` closes it. Nothing is served yet."""
    hub = Hub()
    stack.callback(hub.close)
    url = entry.url or f"http://{entry.host}:{entry.port}"
    setup = None if _has_manager(operators) else SetUp()
    desk = Desk(geometry.store.name, url, operators, geometry, hub, system_clock, setup)
    told = (
        f"dashboard: {url}"
        if setup is None
        else f"dashboard, to make the first account (works once): {url}{setup.path}"
    )
    return LiveDesk(create_app(desk), LiveTap(hub, geometry), told)


def _has_manager(operators: Access) -> bool:
    """Tell whether somebody can sign in who may add others."""
    found = (each.scopes for each in operators.operators() if each.disabled_at_ns is None)
    return any(Right.MANAGE in rights_of(scopes) for scopes in found)
