"""The OpenAPI document as clients are generated from it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from billing.http.problems import problem_schema

PREFIX = "#/components/schemas/"
"""What stands before a model's name where it is referred to."""

_SUFFIXES = (("Out", ""), ("Model", ""), ("In", "Request"))


def document(app: FastAPI) -> dict[str, Any]:
    """Return an app's OpenAPI document, with the Problem that every error is, and models named by what they are."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema["components"]["schemas"].update(problem_schema())
        app.openapi_schema = renamed(schema)
    return app.openapi_schema


def renamed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document whose models are called as generated clients should call them.

    ``VisitIn`` becomes ``VisitRequest``, ``VisitOut`` and ``LineModel`` become ``Visit`` and ``Line``; where two would be
    called alike, both keep their names.
    """
    names = {name: _short(name) for name in schema["components"]["schemas"]}
    taken = list(names.values())
    names = {name: short if taken.count(short) == 1 else name for name, short in names.items()}
    found: dict[str, Any] = _renamed(schema, {PREFIX + name: PREFIX + short for name, short in names.items()})
    models = found["components"]["schemas"]
    found["components"]["schemas"] = {
        names[name]: model | {"title": names[name]} for name, model in sorted(models.items(), key=lambda e: names[e[0]])
    }
    return found


def _renamed(part: Any, references: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {
            key: references.get(value, value) if key == "$ref" else _renamed(value, references)
            for key, value in part.items()
        }
    return [_renamed(each, references) for each in part] if isinstance(part, list) else part


def _short(name: str) -> str:
    for suffix, instead in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix) + instead
    return name
