"""The exact truth of a compiled scenario, in the form of recordings.model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recordings.model import GateScan, TrueInteraction, TrueLine, TrueVisit, Truth
from recordings.tables import FloorTable
from simulator.scenario.motion import Performance
from simulator.scenario.play import Play, Scan
from store_layout.geometry import GatePlace, StoreGeometry

F64 = NDArray[np.float64]

_PROBE_HEIGHTS_M = (0.3, 0.9, 1.5)
"""Shin, hip and chin: whoever shows two of them to one camera is on the floor's truth."""


def gate_scans(play: Play) -> tuple[GateScan, ...]:
    """Every scan at a gate."""
    return tuple(
        GateScan(gate=scan.gate_id, at_s=scan.at_s, token=scan.token, party_size=scan.party_size) for scan in play.scans
    )


def frame_count(play: Play, fps: float) -> int:
    """Pictures of a camera with ``fps``; picture k, from 0, shows k / fps seconds."""
    return int(play.scenario.duration_s * fps + 1e-9)


def truth(play: Play, floor_fps: float) -> Truth:
    """Visits, interactions and receipts."""
    visits = _visits(play)
    visit_of = {person: visit.id for visit in visits for person in visit.persons}
    interactions = [
        TrueInteraction(
            kind=deed.kind,
            shelf=deed.shelf_id,
            slot=deed.slot_id,
            sku=deed.sku,
            person=deed.person,
            visit=visit_of.get(deed.person),
            from_s=round(deed.from_s, 3),
            to_s=round(deed.to_s, 3),
        )
        for deed in play.deeds
        if deed.kind != "touch"
    ]
    return Truth(version=1, floor_fps=floor_fps, visits=visits, interactions=tuple(interactions))


def floor_table(play: Play, fps: float) -> FloorTable:
    """Where everybody is, picture by picture, while they are on the floor and in some camera's sight."""
    rows = [
        (index + 1, person, *(round(value, 4) for value in act.place_m(index / fps)))
        for index in range(frame_count(play, fps))
        for person, act in play.performances.items()
        if act.present(index / fps)
    ]
    table = np.array(rows, np.float64).reshape(-1, 4)
    table = table[in_sight(play.geometry, table[:, 2:])]
    return FloorTable(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:].copy())


def in_sight(geometry: StoreGeometry, places_m: F64) -> NDArray[np.bool_]:
    """Return (N,) whether somebody at ``places_m`` (N, 2) shows two of three heights to one camera."""
    seen = np.zeros(len(places_m), np.bool_)
    for camera_id in geometry.cameras:
        shown = np.zeros(len(places_m), np.int64)
        for height in _PROBE_HEIGHTS_M:
            shown += geometry.sees(camera_id, np.column_stack([places_m, np.full(len(places_m), height)]))
        seen |= shown >= 2
    return seen


def _visits(play: Play) -> tuple[TrueVisit, ...]:
    receipts = _receipts(play)
    return tuple(_visit(play, scan, receipts) for scan in play.scans)


def _visit(play: Play, scan: Scan, receipts: dict[str, Counter[str]]) -> TrueVisit:
    shoppers = play.scenario.shoppers
    leader = shoppers[scan.person - 1].id
    persons = [row + 1 for row, shopper in enumerate(shoppers) if leader in (shopper.id, shopper.with_shopper)]
    crossings = [_crossings(play.performances[person], play.geometry.gates) for person in persons]
    entered = [times[0] for times, _ in crossings if times]
    left = [times[-1] for _, times in crossings if times]
    lines = receipts.get(leader, Counter())
    return TrueVisit(
        id=f"visit-{leader}",
        token=scan.token,
        scanned_at_s=scan.at_s,
        entered_at_s=min(entered) if entered else None,
        left_at_s=max(left) if len(left) == len(persons) else None,
        persons=tuple(persons),
        receipt=tuple(TrueLine(sku=sku, quantity=count) for sku, count in sorted(lines.items())),
    )


def _receipts(play: Play) -> dict[str, Counter[str]]:
    """What each paying shopper has in the end, by SKU."""
    payer: dict[int, int] = {}
    sku_of: dict[int, str] = {}
    for owning in play.ownings:
        sku_of[owning.item_id] = owning.sku
        if owning.person is None or owning.how == "restock":
            payer.pop(owning.item_id, None)
        elif owning.how == "pick" or play.scenario.handed_over_pays == "last_holder":
            payer[owning.item_id] = owning.person
    found: dict[str, Counter[str]] = {}
    for item_id, person in sorted(payer.items()):
        shopper = play.scenario.shoppers[person - 1]
        if shopper.kind == "shopper":
            found.setdefault(shopper.with_shopper or shopper.id, Counter())[sku_of[item_id]] += 1
    return found


def _crossings(act: Performance, gates: Iterable[GatePlace]) -> tuple[list[float], list[float]]:
    """When somebody walks in and out through any gate, in seconds."""
    ins: list[float] = []
    outs: list[float] = []
    for gate in gates:
        side, along = gate.side(act.places_m), gate.along(act.places_m)
        through = (along >= 0) & (along <= gate.length_m)
        for index in np.flatnonzero((side[1:] > 0) != (side[:-1] > 0)):
            if through[index]:
                times = ins if side[index + 1] > 0 else outs
                times.append(round(float(act.times_s[index + 1]), 3))
    return sorted(ins), sorted(outs)
