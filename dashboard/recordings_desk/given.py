"""Changes that browsers and programs send, and what they do to labels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dashboard.recordings_desk.desk import Opened
from dashboard.recordings_desk.labels import History, Labels
from recordings.model import TrueInteraction

FOLDER = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""What a recording's folder may be called."""
_At = Annotated[float, Field(ge=0, le=86_400 * 7, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class EventIn(BaseModel):
    """What happened: ``slot`` names the shelf, too; null where a person saw the shelf alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["pick", "put_back"]
    shelf: _Name
    slot: _Name | None = None
    sku: _Name | None = None
    quantity: Annotated[int, Field(ge=1, le=100)] = 1
    visit: _Name | None = None
    from_s: _At
    to_s: _At


class ChangeIn(BaseModel):
    """One change, made to the labels as they were at ``revision``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: Annotated[int, Field(ge=0)]
    what: Literal["add", "edit", "confirm", "remove", "propose", "complete", "incomplete", "undo"]
    id: int | None = None
    event: EventIn | None = None


class CutIn(BaseModel):
    """A recording to be cut from live footage: its folder's name, and Unix milliseconds of the store's clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=FOLDER)]
    from_ms: Annotated[int, Field(ge=0, le=10**13)]
    to_ms: Annotated[int, Field(ge=0, le=10**13)]


def changed(opened: Opened, given: ChangeIn) -> History:
    """Return what labels come to. Raises KeyError for a label that is not there, ValueError for what cannot be."""
    history = opened.history
    return history.undo() if given.what == "undo" else history.then(_labels(opened, given))


def _labels(opened: Opened, given: ChangeIn) -> Labels:
    labels = opened.history.now
    match given.what:
        case "add":
            return labels.add(_event(opened, given.event))
        case "edit":
            return labels.edit(_id(given), **_edited(opened, labels, given))
        case "confirm":
            return labels.confirm(_id(given))
        case "remove":
            return labels.remove(_id(given))
        case "propose":
            return labels.propose(opened.seen)
        case _:
            return labels.say_complete(is_complete=given.what == "complete")


def _edited(opened: Opened, labels: Labels, given: ChangeIn) -> dict[str, Any]:
    """Return what of an event changes; whose person it was is no longer known once its visit is another."""
    old, event = labels.get(_id(given)).done, _event(opened, given.event)
    person = old.person if event.visit == old.visit else None
    return {**event.model_dump(exclude={"provenance"}), "person": person}


def _id(given: ChangeIn) -> int:
    if given.id is None:
        raise ValueError("say which label")
    return given.id


def _event(opened: Opened, given: EventIn | None) -> TrueInteraction:
    """Return an event that this recording can have. Raises ValueError for any other."""
    if given is None:
        raise ValueError("say what happened")
    if given.to_s < given.from_s:
        raise ValueError("it ends before it begins")
    store = opened.loaded.store
    boards = {f"{gondola.id}/{shelf.id}": shelf for gondola in store.gondolas for shelf in gondola.shelves}
    if given.shelf not in boards:
        raise ValueError("there is no such shelf")
    if given.slot is not None and given.slot not in {f"{given.shelf}/{slot.id}" for slot in boards[given.shelf].slots}:
        raise ValueError("there is no such slot on that shelf")
    if given.sku is not None and given.sku not in {product.sku for product in store.products}:
        raise ValueError("there is no such product")
    if given.visit is not None and given.visit not in {visit.id for visit in opened.truth.visits}:
        raise ValueError("there is no such visit")
    times = {"from_s": round(given.from_s, 3), "to_s": round(given.to_s, 3)}
    return TrueInteraction(**{**given.model_dump(), **times})
