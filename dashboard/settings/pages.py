"""The settings' page, and its API: all of it to be read, for it is changed in files, at the next start."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from dashboard.errors import NotFound
from dashboard.roles import Right
from dashboard.settings.types import Configuration, Group, Kept
from dashboard.web import PageRoute, Visitor, may, program_router, show
from store_layout.model import Strict

pages = APIRouter(route_class=PageRoute, include_in_schema=False)
api = program_router("settings")

_Reads = Annotated[Visitor, Depends(may(Right.MANAGE, Right.AUDIT))]


class SettingOut(Strict):
    """A setting, as text; ``is_set`` says that a file of the store has it."""

    key: str
    value: str
    default: str
    is_set: bool
    bounds: str
    reason: str


class GroupOut(Strict):
    """Settings under one key of a file."""

    key: str
    summary: str
    settings: tuple[SettingOut, ...]

    @classmethod
    def of(cls, group: Group) -> GroupOut:
        """Take a group apart."""
        settings = tuple(
            SettingOut(
                key=each.key,
                value=each.value,
                default=each.default,
                is_set=each.is_set,
                bounds=each.bounds,
                reason=each.reason,
            )
            for each in group.settings
        )
        return cls(key=group.key, summary=group.summary, settings=settings)


class KeptOut(Strict):
    """What is kept; ``keep_s`` is null for ever, counts and sizes where nobody counts."""

    what: str
    keep_s: float | None
    count: int | None
    size_bytes: int | None

    @classmethod
    def of(cls, kept: Kept) -> KeptOut:
        """Take one apart."""
        return cls(what=kept.what, keep_s=kept.keep_s, count=kept.count, size_bytes=kept.size_bytes)


class SettingsOut(Strict):
    """What the store runs with since its start; ``settings_file`` is null where the store has none."""

    store_file: str
    settings_file: str | None
    store: GroupOut
    groups: tuple[GroupOut, ...]
    kept: tuple[KeptOut, ...]


@pages.get("/settings")
def settings_page(who: _Reads) -> Response:
    """Show what the store runs with."""
    found = configuration_of(who)
    parts = tuple((key, tuple(groups)) for key, groups in groupby(found.groups(), key=_part))
    return show(who, "settings", found=found, store=found.store(), parts=parts, kept=found.kept(who.at_ns))


@api.get("/v1/desk/settings")
def get_settings(who: _Reads) -> SettingsOut:
    """Return what the store runs with."""
    found = configuration_of(who)
    return SettingsOut(
        store_file=found.store_file,
        settings_file=found.settings_file,
        store=GroupOut.of(found.store()),
        groups=_each(found.groups()),
        kept=tuple(KeptOut.of(each) for each in found.kept(who.at_ns)),
    )


def configuration_of(who: Visitor) -> Configuration:
    """Return what the store runs with. Raises NotFound where the dashboard shows no store that runs."""
    if who.desk.configuration is None:
        raise NotFound("no store runs here")
    return who.desk.configuration


def _each(groups: Iterable[Group]) -> tuple[GroupOut, ...]:
    return tuple(GroupOut.of(group) for group in groups)


def _part(group: Group) -> str:
    return group.key.partition(".")[0]
