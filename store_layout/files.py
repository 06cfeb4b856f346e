"""Reading YAML files that a user wrote, with errors that name file, line, field and mend.

``read_model`` serves every YAML file of the project; ``read_store`` and ``load_store`` the layout.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from store_layout.checks import store_problems
from store_layout.errors import InputError, LayoutError
from store_layout.model import Store

ModelT = TypeVar("ModelT", bound=BaseModel)
Loc = tuple[int | str, ...]

_MENDS = {
    "missing": "add it",
    "string_type": "put it in quotes",
    "float_parsing": "give a number",
    "float_type": "give a number",
    "int_parsing": "give a whole number",
    "int_type": "give a whole number",
    "int_from_float": "give a whole number",
    "finite_number": "give a finite number",
    "bool_parsing": "give true or false",
    "bool_type": "give true or false",
    "tuple_type": "give a list, such as [1, 2]",
    "too_short": "add the missing entries",
    "too_long": "take out the superfluous entries",
    "string_pattern_mismatch": "use letters, digits, '_', '.' and '-', without spaces or slashes",
    "model_type": "give keys and values, indented below this key",
    "dict_type": "give keys and values, indented below this key",
    "decimal_parsing": "give a number",
    "greater_than": "give a larger number",
    "greater_than_equal": "give a larger number",
    "less_than": "give a smaller number",
    "less_than_equal": "give a smaller number",
    "literal_error": "use one of the words named",
    "enum": "use one of the words named",
    "no_moment": "write one such as 2026-01-31T08:00:00+01:00",
    "no_minor_units": "write one such as 149 for 1.49",
}


def read_store(path: str | Path) -> Store:
    """Return the layout in the file ``path``, each key validated but not checked against the others.

    Raise LayoutError where it is missing, is not YAML, or holds a wrong or unknown key.
    """
    return read_model(path, Store, LayoutError)


def load_store(path: str | Path) -> Store:
    """Return the layout in the file ``path``, validated and consistent in itself.

    Raise LayoutError with the first thing that is wrong: what :func:`read_store` refuses, then any
    error of ``checks.store_problems``, such as a slot that names no product.
    """
    store = read_store(path)
    for problem in store_problems(store):
        if problem.severity == "error":
            raise LayoutError(problem.message, file=path, field=problem.field, mend=problem.mend)
    return store


def read_model(path: str | Path, model: type[ModelT], error: type[InputError] = InputError) -> ModelT:
    """Return the YAML file ``path`` as a ``model``; raise ``error`` with the first thing that is wrong."""
    text = _read_text(Path(path), error)
    node, data = _parse(text, path, error)
    try:
        return model.model_validate(data)
    except ValidationError as wrong:
        faults = list(_faults(wrong, model, node, str(path), error))
        more = len(faults) - 1
        first = faults[0]
        if more:
            first = error(f"{first.message} (and {more} more)", file=first.file, field=first.field, mend=first.mend)
        raise first from wrong


def model_faults(
    path: str | Path, model: type[BaseModel], error: type[InputError] = InputError
) -> tuple[InputError, ...]:
    """Return everything that keeps the YAML file ``path`` from being a ``model``, in the file's order; none if all is well."""
    try:
        text = _read_text(Path(path), error)
        node, data = _parse(text, path, error)
    except InputError as wrong:
        return (wrong,)
    try:
        model.model_validate(data)
    except ValidationError as wrong:
        return tuple(_faults(wrong, model, node, str(path), error))
    return ()


def _read_text(path: Path, error: type[InputError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error("there is no such file", file=path, mend="check the path") from None
    except UnicodeDecodeError:
        raise error("is not a text file", file=path, mend="save it as UTF-8 text") from None
    except OSError as wrong:
        raise error(f"cannot be read ({wrong.strerror})", file=path, mend="name a readable file") from wrong


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which YAML would silently overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _parse(text: str, path: str | Path, error: type[InputError]) -> tuple[yaml.Node | None, object]:
    """Return the file's YAML node tree, for line numbers, and its data."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark
        file = f"{path}:{mark.line + 1}" if mark else str(path)
        raise error(wrong.problem or "is not YAML", file=file, mend="correct the YAML at this line") from wrong
    except yaml.YAMLError as wrong:
        raise error(f"is not YAML ({str(wrong).splitlines()[0]})", file=path, mend="save it as YAML text") from wrong
    if not isinstance(data, dict):
        raise error("holds no keys", file=path, mend="write keys and values, such as 'version: 1'")
    return node, data


def _faults(
    wrong: ValidationError, model: type[BaseModel], node: yaml.Node | None, path: str, error: type[InputError]
) -> Iterator[InputError]:
    """Yield one error per wrong field; the branches of a union that all failed are one."""
    seen: set[str] = set()
    for detail in wrong.errors(include_url=False):
        loc, owner = _walk(model, detail["loc"])
        field = _dotted(loc)
        if field in seen:
            continue
        seen.add(field)
        message, mend = _words(detail, loc, owner)
        line = _line(node, loc)
        yield error(message, file=f"{path}:{line}" if line else path, field=field or None, mend=mend)


def _words(detail: ErrorDetails, loc: Loc, owner: type[BaseModel] | None) -> tuple[str, str]:
    if detail["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"take it out; known are {', '.join(known)}"
        return "unknown key", mend
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    if detail["type"] != "missing" and isinstance(detail["input"], str | int | float | None):
        message = f"{message}, not {detail['input']!r}"
    if detail["type"] == "missing":
        message = "is missing"
    return message, _MENDS.get(detail["type"], "see the documentation of this key")


def _walk(model: type[BaseModel], loc: Loc) -> tuple[Loc, type[BaseModel] | None]:
    """Return ``loc`` without the marks that pydantic puts in for unions, and the model that owns its last part."""
    clean: list[int | str] = []
    owner: type[BaseModel] | None = model
    here: object = model
    for part in loc:
        if isinstance(part, int):
            clean.append(part)
            here = _item_of(here)
            continue
        found = _model_in(here)
        is_last = part == loc[-1]
        if found is not None and (part in found.model_fields or is_last):
            clean.append(part)
            owner = found
            here = found.model_fields[part].annotation if part in found.model_fields else None
        elif typing.get_origin(here) in (dict, Mapping):
            clean.append(part)
            here = typing.get_args(here)[1]
    return tuple(clean), owner


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the pydantic model that ``annotation`` names, directly or as one of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        found = (_model_in(part) for part in typing.get_args(annotation))
        return next((part for part in found if part is not None), None)
    return None


def _item_of(annotation: object) -> object:
    """Return the item type of the sequence that ``annotation`` names, directly or as one of a union."""
    origin = typing.get_origin(annotation)
    if origin in (tuple, list, Sequence):
        return typing.get_args(annotation)[0]
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        found = (_item_of(part) for part in typing.get_args(annotation))
        return next((part for part in found if part is not None), None)
    return None


def _dotted(loc: Loc) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def _line(node: yaml.Node | None, loc: Loc) -> int | None:
    """Return the line, from 1, at which ``loc`` stands in the file, or its nearest parent; None without a tree."""
    if node is None:
        return None
    line = node.start_mark.line
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1
