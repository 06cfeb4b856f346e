"""The recordings' API, for the page and for programs: what there is, videos, and changes of labels."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Response
from fastapi.responses import FileResponse

from dashboard.audit import Deed
from dashboard.errors import NotFound
from dashboard.recordings_desk.export import VIDEO_TYPES, cut_out, labels_out, listed_out, opened_out, run_out
from dashboard.recordings_desk.given import ChangeIn, CutIn, changed
from dashboard.recordings_desk.pages import recordings_of, said_interval
from dashboard.roles import Right
from dashboard.web import Visitor, may, may_call, program_router

api = program_router("recordings")

_Look = Annotated[Visitor, Depends(may(Right.LOOK))]
_Calls = Annotated[Visitor, Depends(may_call(Right.ANSWER))]
_Keeps = Annotated[Visitor, Depends(may_call(Right.MANAGE))]
_Name = Annotated[str, Path(max_length=200)]


@api.get("/v1/desk/recordings")
def list_recordings(who: _Look) -> dict[str, Any]:
    """Return which recordings there are, and which one is being cut from live footage, or was last."""
    desk = recordings_of(who)
    cut = None if desk.cutter is None else desk.cutter.state
    return {"items": [listed_out(each) for each in desk.listed()], "cut": None if cut is None else cut_out(cut)}


@api.post("/v1/desk/recordings")
def cut_recording(given: CutIn, who: _Keeps) -> dict[str, Any]:
    """Begin to cut a recording from what live cameras showed lately; the list has it once it is whole."""
    from_ns, to_ns = given.from_ms * 1_000_000, given.to_ms * 1_000_000
    state = recordings_of(who).cut(given.name, from_ns, to_ns)
    who.desk.did(Deed(who.at_ns, who.me.name, "recording.cut", given.name, said_interval(from_ns, to_ns)))
    return cut_out(state)


@api.get("/v1/desk/recordings/{name}")
def get_recording(name: _Name, who: _Look) -> dict[str, Any]:
    """Return one: cameras, slots, visits, labels, and what its run saw."""
    return opened_out(recordings_of(who).open(name))


@api.get("/v1/desk/recordings/{name}/videos/{camera}")
def get_video(name: _Name, camera: str, who: _Look) -> Response:
    """Return a camera's video, or the part of it that is asked for (Range)."""
    path = recordings_of(who).open(name).loaded.paths.get(camera)
    kind = None if path is None else VIDEO_TYPES.get(path.suffix.lower())
    if path is None or kind is None or not path.is_file():
        raise NotFound("there is no such video")
    return FileResponse(path, media_type=kind, headers={"Cache-Control": "private, max-age=3600"})


@api.post("/v1/desk/recordings/{name}/changes")
def change_labels(name: _Name, given: ChangeIn, who: _Calls) -> dict[str, Any]:
    """Change a label, or all; return them as they are now."""
    desk = recordings_of(who)
    opened = desk.change(name, given.revision, lambda opened: changed(opened, given))
    if opened.history.revision != given.revision:
        detail = given.what if given.id is None else f"{given.what} {given.id}"
        who.desk.did(Deed(who.at_ns, who.me.name, "recording.label", name, detail))
    return labels_out(opened)


@api.get("/v1/desk/recordings/{name}/run")
def get_run(name: _Name, who: _Look) -> dict[str, Any]:
    """Return how far the pipeline is with a recording."""
    desk = recordings_of(who)
    return run_out(desk.run_state(name), can_run=desk.can_run)


@api.post("/v1/desk/recordings/{name}/run")
def begin_run(name: _Name, who: _Calls) -> dict[str, Any]:
    """Let the pipeline run over a recording, beside all else; 409 while it is at another."""
    desk = recordings_of(who)
    state = desk.run(name)
    who.desk.did(Deed(who.at_ns, who.me.name, "recording.run", name))
    return run_out(state, can_run=True)


@api.post("/v1/desk/recordings/{name}/run/cancel")
def cancel_run(name: _Name, who: _Calls) -> dict[str, Any]:
    """End a recording's run, and leave nothing of it; the run before stays."""
    desk = recordings_of(who)
    desk.cancel_run(name)
    return run_out(desk.run_state(name), can_run=True)
