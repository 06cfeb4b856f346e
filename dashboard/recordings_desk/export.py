"""Recordings as JSON's values, for the page and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dashboard.recordings_desk.desk import Listed, Opened
from dashboard.recordings_desk.types import CutState, RunState
from recordings.model import TrueInteraction

VIDEO_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm"}
"""What browsers play; a folder of pictures they do not."""


def listed_out(listed: Listed) -> dict[str, Any]:
    """Return a line of the list."""
    recording = listed.recording
    return {
        "name": listed.name,
        "title": None if recording is None else recording.name,
        "started_at": None if recording is None else recording.started_at.isoformat(),
        "cameras": 0 if recording is None else len(recording.cameras),
        "labels": len(listed.labels.labels),
        "proposed": listed.labels.proposed,
        "is_complete": listed.labels.is_complete,
        "has_run": listed.has_run,
        "problem": listed.problem,
    }


def opened_out(opened: Opened) -> dict[str, Any]:
    """Return a recording: what does not change, and its labels."""
    store = opened.loaded.store
    return {
        "name": opened.name,
        "title": opened.loaded.recording.name,
        "cameras": _cameras(opened),
        "slots": [
            {"id": f"{gondola.id}/{shelf.id}/{slot.id}", "shelf": f"{gondola.id}/{shelf.id}", "sku": slot.sku}
            for gondola in store.gondolas
            for shelf in gondola.shelves
            for slot in shelf.slots
        ],
        "products": [{"sku": product.sku, "name": product.name} for product in store.products],
        "visits": [{"id": visit.id, "scanned_at_s": visit.scanned_at_s} for visit in opened.truth.visits],
        **labels_out(opened),
    }


def labels_out(opened: Opened) -> dict[str, Any]:
    """Return the labels and what the run saw; ``pair`` is the place in the other list, null where the other has none."""
    labels, history = opened.history.now, opened.history
    of_label = dict(opened.pairs)
    of_seen = {seen: label for label, seen in of_label.items()}
    return {
        "revision": history.revision,
        "can_undo": bool(history.before),
        "is_complete": labels.is_complete,
        "labels": [
            {"id": each.label_id, **_event(each.done), "provenance": each.done.provenance, "pair": of_label.get(place)}
            for place, each in enumerate(labels.labels)
        ],
        "has_run": opened.has_run,
        "run_problem": opened.run_problem,
        "seen": [{**_event(each), "pair": of_seen.get(place)} for place, each in enumerate(opened.seen)],
    }


def run_out(state: RunState | None, *, can_run: bool) -> dict[str, Any]:
    """Return how far a recording's run is; ``is_over`` before any was begun, too."""
    share, is_over, problem = (0.0, True, "") if state is None else (state.share, state.is_over, state.problem)
    return {"can_run": can_run, "share": round(share, 3), "is_over": is_over, "problem": problem}


def cut_out(state: CutState) -> dict[str, Any]:
    """Return how far a recording is that is cut from live footage."""
    return {**asdict(state), "share": round(state.share, 3)}


def _event(done: TrueInteraction) -> dict[str, Any]:
    return done.model_dump(mode="json", exclude={"person", "provenance"})


def _cameras(opened: Opened) -> list[dict[str, Any]]:
    planned = {each["id"]: each for each in opened.plan["cameras"]}
    fps = {camera.id: camera.fps for camera in opened.loaded.store.cameras}
    return [
        {
            "id": camera.id,
            "offset_s": camera.offset_ms / 1000,
            "fps": fps[camera.id],
            "size": planned[camera.id]["size"],
            "slots": planned[camera.id]["slots"],
            "plays": opened.loaded.paths[camera.id].suffix.lower() in VIDEO_TYPES,
        }
        for camera in opened.loaded.recording.cameras
    ]
