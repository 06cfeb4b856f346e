"""What an exported model says of itself: ultralytics' metadata.yaml, or the same as strings inside the file."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vision.detectors.base import WeightsError

PERSON, HAND = "person", "hand"
COCO_KEYPOINTS = (17, 3)
LITERALS = ("imgsz", "names", "kpt_shape", "end2end")
"""Fields that ONNX files hold as Python literals."""


class ModelMetadata(BaseModel):
    """The fields of the metadata that decoding needs. Others are ignored: each version writes more of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task: Literal["detect", "pose"]
    imgsz: Annotated[tuple[int, int], Field(description="height, width")]
    names: dict[int, str]
    kpt_shape: tuple[int, int] | None = None
    end2end: bool = False
    trained_on: str | None = None

    def class_index(self, name: str) -> int | None:
        """Return the class called ``name``, or None where the model has none."""
        return self._classes.get(name)

    @cached_property
    def _classes(self) -> dict[str, int]:
        return {each.lower(): index for index, each in sorted(self.names.items(), reverse=True)}

    @property
    def people_classes(self) -> list[int]:
        """Return the classes that are people or hands."""
        return [index for name in (PERSON, HAND) if (index := self.class_index(name)) is not None]

    @property
    def knows_things(self) -> bool:
        """Tell whether the model has other classes besides."""
        return len(self.names) > len(self.people_classes)

    @property
    def extra_rows(self) -> int:
        """Return how many rows of the output follow the classes."""
        return 0 if self.kpt_shape is None or self.task != "pose" else self.kpt_shape[0] * self.kpt_shape[1]


def read_metadata(path: Path) -> ModelMetadata:
    """Read ``path``; raises WeightsError where it is missing, unreadable or describes an unusable model."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            "the model's metadata.yaml is missing", file=path, mend="export it with ultralytics: format='openvino'"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WeightsError("metadata.yaml cannot be read as YAML", file=path, mend="export the model anew") from error
    return _validated(document, path)


def metadata_of_strings(strings: Mapping[str, str], file: Path) -> ModelMetadata:
    """Read the metadata that ultralytics writes into an ONNX ``file``, all of them strings.

    Raises:
        WeightsError: they are missing, unreadable or describe an unusable model.
    """
    missing = [name for name in ("task", "imgsz", "names") if name not in strings]
    if missing:
        raise WeightsError(
            "the file does not hold the metadata of ultralytics' exports",
            file=file,
            field=missing[0],
            mend="export the model with ultralytics: format='onnx'",
        )
    return _validated({name: _literal(name, text, file) for name, text in strings.items()}, file)


def _literal(name: str, text: str, file: Path) -> object:
    if name not in LITERALS:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise WeightsError(
            "the model's metadata cannot be read", file=file, field=name, mend="export the model anew"
        ) from error


def _validated(document: object, file: Path) -> ModelMetadata:
    try:
        metadata = ModelMetadata.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise WeightsError(
            str(first["msg"]), file=file, field=field, mend="give a YOLO model of task detect or pose"
        ) from error
    _check(metadata, file)
    return metadata


def _check(metadata: ModelMetadata, path: Path) -> None:
    if metadata.class_index(PERSON) is None:
        raise WeightsError("the model has no class 'person'", file=path, field="names", mend="give another model")
    if metadata.task == "pose" and metadata.kpt_shape != COCO_KEYPOINTS:
        raise WeightsError(
            "a pose model must have COCO's 17 keypoints with confidence", file=path, field="kpt_shape", mend="[17, 3]"
        )
    if metadata.end2end:
        raise WeightsError(
            "the model holds its own suppression", file=path, field="end2end", mend="export it with end2end=False"
        )
