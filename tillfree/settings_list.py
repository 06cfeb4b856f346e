"""Settings as lists for people to read: each with what applies, its default, bounds, and what and why it is."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dashboard.settings.types import Group, Setting
from tillfree.settings import RunSettings

_LAST = ("vision", "feeds", "live")
"""How the store is looked at and run comes after what it does for people."""


def groups_of(settings: RunSettings) -> tuple[Group, ...]:
    """Return a store's settings, policies first."""
    found = [group for name, inner in _inner(settings) for group in _groups(name, inner)]
    return tuple(sorted(found, key=lambda group: group.key.partition(".")[0] in _LAST))


def _groups(path: str, model: BaseModel) -> Iterator[Group]:
    inner = dict(_inner(model))
    told = [_setting(name, field, model) for name, field in type(model).model_fields.items() if name not in inner]
    if told:
        yield Group(path, summary_of(type(model)), tuple(told))
    for name, each in inner.items():
        yield from _groups(f"{path}.{name}", each)


def _inner(model: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield name, value


def _setting(name: str, field: FieldInfo, model: BaseModel) -> Setting:
    default = "" if field.is_required() else text_of(field.get_default(call_default_factory=True))
    is_set, value = name in model.model_fields_set, text_of(getattr(model, name))
    return Setting(name, value, default, is_set, plain_bounds_of(field), field.description or "")


def summary_of(model: type[BaseModel]) -> str:
    """Return the first line of what a model says of itself."""
    return (model.__doc__ or "").strip().splitlines()[0]


def text_of(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(text_of(each) for each in value) or "–"
    return "–" if value is None or value == "" else str(value)


def plain_bounds_of(field: FieldInfo) -> str:
    """Return what values are allowed, to be read as it is."""
    return bounds_of(field, ",.15g").replace("`", "")


def bounds_of(field: FieldInfo, style: str = "g") -> str:
    """Return what values are allowed, numbers in Python's format ``style``."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}
    found = [
        f"{sign} {getattr(rule, key):{style}}"
        for rule in field.metadata
        for key, sign in signs.items()
        if getattr(rule, key, None) is not None
    ]
    if typing.get_origin(field.annotation) is typing.Literal:
        found = [f"`{choice}`" for choice in typing.get_args(field.annotation)]
    return ", ".join(found)
