"""Turning YAML and JSON text into validated models, with every mistake told in one line."""

from __future__ import annotations

import difflib
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from recordings.errors import RecordingError, wrong

M = TypeVar("M", bound=BaseModel)


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a key given twice instead of silently keeping the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_text(file: Path) -> str:
    """Return the text of ``file``; raise RecordingError where it cannot be read as UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise wrong(file, None, "does not exist", "check the path") from error
    except UnicodeDecodeError as error:
        raise wrong(file, None, "is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise wrong(file, None, f"cannot be read ({error.strerror})", "check its rights") from error


def read_yaml(file: Path) -> object:
    """Return the document in ``file``; raise RecordingError with the line of the first mistake."""
    try:
        document: object = yaml.load(read_text(file), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise wrong(file, f"line {line}", error.problem or "is not YAML", "mend the YAML there") from error
    except yaml.YAMLError as error:
        raise wrong(file, None, "is not YAML", "write it as plain text") from error
    return document


def parse_model(file: Path, document: object, model: type[M]) -> M:
    """Return ``document`` as a ``model``; raise RecordingError for the first field that does not fit."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _explain(file, error, model) from error


def _explain(file: Path, error: ValidationError, model: type[BaseModel]) -> RecordingError:
    """Return one line for the first mistake, and how many more there are."""
    first = error.errors(include_url=False, include_input=True)[0]
    field = field_path(first["loc"])
    more = error.error_count() - 1
    rest = f"; {more} more after it" if more else ""
    if first["type"] == "extra_forbidden":
        problem, mend = "is not a known key", _near(str(first["loc"][-1]), _known_keys(model)) + rest
    elif first["type"] == "missing":
        problem, mend = "is missing", "add it" + rest
    else:
        problem = _first_lower(str(first["msg"])) + f", not {_shorten(first['input'])}"
        mend = "see docs/recordings.md" + rest
    return wrong(file, field, problem, mend)


def field_path(places: tuple[int | str, ...]) -> str:
    """Return pydantic's ``loc`` as people write it: ('cameras', 0, 'id') is ``cameras[0].id``."""
    path = ""
    for place in places:
        path += f"[{place}]" if isinstance(place, int) else f".{place}" if path else place
    return path or "the whole file"


def _known_keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of ``model`` and of the models within it."""
    properties = [model.model_json_schema().get("properties", {})]
    properties += [part.get("properties", {}) for part in model.model_json_schema().get("$defs", {}).values()]
    return sorted({key for part in properties for key in part})


def _near(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{near[0]}'?" if near else "take it out"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]
