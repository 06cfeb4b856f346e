"""Which detector weights a run uses: the order in which they are looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from vision.detectors.base import WeightsError

ENVIRONMENT_VARIABLE = "TILLFREE_WEIGHTS"
FETCHED_NAME = "coco-pose_openvino_model"
BUNDLED_NAME = "person-hand_openvino_model"
RENDERED = "rendered"
"""What ``trained_on`` in metadata.yaml says of the bundled weights."""

Origin = Literal["option", "recording", "environment", "fetched", "bundled"]


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """Weights and where they were found."""

    path: Path
    origin: Origin


def find_weights(
    option: Path | None = None,
    configured: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    data_dir: Path | None = None,
) -> FoundWeights:
    """Return the weights to use, the first that is named or present.

    The order: the command line's ``option``; ``configured`` in the store's or the recording's settings
    (already resolved against their file); the folder that the environment variable TILLFREE_WEIGHTS names; COCO
    weights that ``tillfree models fetch`` stored under ``data_dir``; the bundled ones. What is named
    must exist: raises WeightsError rather than going on to the next.
    """
    named = (os.environ if environment is None else environment).get(ENVIRONMENT_VARIABLE)
    if option is not None:
        return FoundWeights(_existing(option, "--weights"), "option")
    if configured is not None:
        return FoundWeights(_existing(configured, "weights"), "recording")
    if named:
        return FoundWeights(_model_in(_existing(Path(named), ENVIRONMENT_VARIABLE)), "environment")
    fetched = (data_dir or user_data_dir()) / FETCHED_NAME
    if fetched.is_dir():
        return FoundWeights(fetched, "fetched")
    return FoundWeights(_existing(bundled_weights(), "bundled weights"), "bundled")


def user_data_dir() -> Path:
    """Return the user's folder where fetched weights are stored."""
    from platformdirs import user_data_path

    return user_data_path("tillfree", appauthor=False) / "weights"


def bundled_weights() -> Path:
    """Return the folder of the weights that come with the program."""
    return Path(__file__).resolve().parent.parent / "weights" / BUNDLED_NAME


def trained_on_rendered_people(weights: Path) -> bool:
    """Tell whether the weights' own metadata say that they were trained on rendered people."""
    metadata = (weights if weights.is_dir() else weights.parent) / "metadata.yaml"
    try:
        document = yaml.safe_load(metadata.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(document, dict) and document.get("trained_on") == RENDERED


def rendered_people_notice(weights: Path, *, rendered_recording: bool) -> str | None:
    """Return the line to show where weights trained on rendered people meet filmed ones, else None."""
    if rendered_recording or not trained_on_rendered_people(weights):
        return None
    return (
        "These detector weights were trained on rendered people and are for the bundled recordings; "
        "for filmed people run `tillfree models fetch`, or name others with --weights."
    )


def _existing(path: Path, field: str) -> Path:
    if not path.exists():
        raise WeightsError("detector weights not found", file=path, field=field, mend="check the path, or leave it out")
    return path


def _model_in(place: Path) -> Path:
    """Return ``place`` itself where it is a model, else the one model in it."""
    if place.is_file() or any(place.glob("*.xml")):
        return place
    inside = sorted(
        path for path in place.iterdir() if path.suffix in (".pt", ".onnx", ".engine") or any(path.glob("*.xml"))
    )
    if len(inside) != 1:
        names = ", ".join(path.name for path in inside) or "none"
        raise WeightsError(
            f"the folder must hold one model; found: {names}", file=place, field=ENVIRONMENT_VARIABLE, mend="name one"
        )
    return inside[0]
