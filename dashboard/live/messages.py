"""What the live socket says, as JSON. Times are milliseconds of Unix time, places metres on the floor."""

from __future__ import annotations

import json

from dashboard.live.types import CameraNow, Floor, Now, VisitNow, Walker

_MS = 1_000_000


def floor_message(floor: Floor) -> str:
    """Return where everybody is."""
    return _text({"kind": "floor", "at_ms": floor.at_ns // _MS, "people": [_walker(each) for each in floor.people]})


def now_message(now: Now) -> str:
    """Return how the store is, without the time: while nothing changes but that, nothing is told."""
    return _text(
        {
            "kind": "now",
            "is_open": now.is_open,
            "people_inside": now.people_inside,
            "visits": [_visit(each) for each in now.visits],
            "reviews": now.reviews,
            "cameras": [_camera(each) for each in now.cameras],
            "faults": list(now.faults),
            "alerts": list(now.alerts),
        }
    )


def _walker(walker: Walker) -> dict[str, object]:
    return {
        "person": walker.person_id,
        "at": [round(walker.floor_m[0], 3), round(walker.floor_m[1], 3)],
        "visit": walker.visit,
        "seen": walker.is_seen,
        "uncertain": walker.is_uncertain,
        "hands": [[round(each, 3) for each in hand] for hand in walker.hands_m],
    }


def _visit(visit: VisitNow) -> dict[str, object]:
    return {
        "visit_id": visit.visit_id,
        "number": visit.number,
        "state": visit.state,
        "opened_ms": visit.opened_at_ns // _MS,
        "party_size": visit.party_size,
        "people": list(visit.people),
        "lines": [
            {"sku": line.sku, "name": line.name, "quantity": line.quantity, "probability": round(line.probability, 3)}
            for line in visit.lines
        ],
        "reviews": visit.open_reviews,
        "trouble": visit.trouble,
    }


def _camera(camera: CameraNow) -> dict[str, object]:
    return {
        "camera": camera.camera_id,
        "is_up": camera.is_up,
        "fps": round(camera.frames_per_s),
        "detail": camera.detail,
    }


def _text(told: dict[str, object]) -> str:
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)
