"""The API's reference as a page of plain HTML: nothing in it is loaded from elsewhere, and nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from billing.http.openapi import PREFIX
from billing.http.problems import open_documented

router = APIRouter(tags=["system"])
_METHODS = ("get", "post", "put", "patch", "delete")
_TEMPLATE = Path(__file__).parent / "reference.html.j2"


@dataclass(frozen=True, slots=True)
class Operation:
    """One call, as the page shows it."""

    tag: str
    method: str
    path: str
    name: str
    about: str
    takes: tuple[str, ...]
    body: str | None
    answers: tuple[tuple[str, str], ...]


@router.get("/docs", response_class=Response, responses=open_documented() | {200: {"content": {"text/html": {}}}})
def get_reference(request: Request) -> Response:
    """Show all calls on a page; /openapi.json has the same for machines."""
    schema = request.app.openapi()
    page = _page().render(title=schema["info"]["title"], about=schema["info"]["description"], calls=operations(schema))
    return Response(page, media_type="text/html")


def operations(schema: dict[str, Any]) -> tuple[Operation, ...]:
    """Return the operations of an OpenAPI document, in its order."""
    return tuple(
        _operation(path, method, said) for path, item in schema["paths"].items() for method, said in _methods(item)
    )


def _methods(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((method, item[method]) for method in _METHODS if method in item)


def _operation(path: str, method: str, said: dict[str, Any]) -> Operation:
    takes = tuple(f"{each['name']} ({each['in']})" for each in said.get("parameters", ()))
    content = said.get("requestBody", {}).get("content", {})
    return Operation(
        tag=said["tags"][0],
        method=method.upper(),
        path=path,
        name=said["operationId"],
        about=said["description"],
        takes=takes,
        body=next((_model(each) for each in content.values()), None),
        answers=tuple((status, _answer(each)) for status, each in said["responses"].items()),
    )


def _answer(response: dict[str, Any]) -> str:
    models = [_model(each) for each in response.get("content", {}).values()]
    return next((model for model in models if model), response["description"])


def _model(content: dict[str, Any]) -> str:
    reference: str = content.get("schema", {}).get("$ref", "")
    return reference.removeprefix(PREFIX)


def _page() -> Template:
    loader = FileSystemLoader(_TEMPLATE.parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(_TEMPLATE.name)
