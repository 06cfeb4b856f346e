"""Turning text and JSON into validated models, with every mistake told in one line.

YAML files are read by store_layout.files.read_model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from recordings.errors import RecordingError, wrong

M = TypeVar("M", bound=BaseModel)


def read_text(file: Path) -> str:
    """Return the text of ``file``; raise RecordingError where it cannot be read as UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise wrong(file, None, "there is no such file", "check the path") from error
    except UnicodeDecodeError as error:
        raise wrong(file, None, "is not a text file", "save it as UTF-8 text") from error
    except OSError as error:
        raise wrong(file, None, f"cannot be read ({error.strerror})", "name a readable file") from error


def read_yaml(file: Path) -> object:
    """Return the YAML document in ``file``, not validated; raise RecordingError with the line of a mistake.

    A file that becomes a model as a whole is better read by store_layout.files.read_model, whose
    errors name the line of the field too.
    """
    try:
        document: object = yaml.safe_load(read_text(file))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise wrong(file, f"line {line}", error.problem or "is not YAML", "mend the YAML there") from error
    return document


def read_json(file: Path, model: type[M]) -> M:
    """Return the JSON in ``file`` as a ``model``; raise RecordingError for the first thing that does not fit."""
    try:
        document: object = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise wrong(file, f"line {error.lineno}", error.msg, "mend the JSON there") from error
    return parse_model(file, document, model)


def parse_model(file: Path, document: object, model: type[M]) -> M:
    """Return ``document``, which was read from ``file``, as a ``model``; raise RecordingError where it does not fit."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _explain(file, error) from error


def _explain(file: Path, error: ValidationError) -> RecordingError:
    """Return one line for the first mistake, and how many more there are."""
    first = error.errors(include_url=False)[0]
    more = error.error_count() - 1
    rest = f" (and {more} more)" if more else ""
    problem, mend = f"{first['msg'].lower()}{rest}", "see docs/recordings.md"
    if first["type"] == "extra_forbidden":
        problem, mend = f"unknown key{rest}", "take it out"
    elif first["type"] == "missing":
        problem, mend = f"is missing{rest}", "add it"
    return wrong(file, _field_path(first["loc"]), problem, mend)


def _field_path(places: tuple[int | str, ...]) -> str | None:
    """Return pydantic's ``loc`` as people write it: ('visits', 0, 'id') is ``visits[0].id``."""
    path = "".join(f"[{place}]" if isinstance(place, int) else f".{place}" for place in places)
    return path.removeprefix(".") or None
