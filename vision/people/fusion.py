"""People on the floor across cameras: who is where, who went in or out, who may be whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from shapely.geometry import Point
from shapely.prepared import prep

from store_layout.geometry import StoreGeometry
from vision.people import gates, matching
from vision.people.floor_filter import FloorState, added
from vision.people.hand_rays import hand_rays
from vision.people.hands import hands_of, in_rows
from vision.people.identity import Identities
from vision.people.person import Person, cosine
from vision.people.settings import PeopleSettings
from vision.people.sightings import FloorView, FloorViews, Sighting, all_sightings
from vision.types import GateCrossing, People, PersonRejoined, PersonVanished, Tracks

NS_PER_S = 1_000_000_000
FloorEvent = GateCrossing | PersonVanished | PersonRejoined


class PeopleFusion:
    """Joins the tracks of all cameras into people on the floor.

    Call ``update`` once per instant with the tracks of every camera that has a frame there, in
    rising time. Ids start at ``first_id`` and depend on what is given alone.
    """

    def __init__(self, geometry: StoreGeometry, settings: PeopleSettings, first_id: int = 1) -> None:
        self._geometry = geometry
        self._settings = settings
        self._floor = prep(geometry.floor)
        self._views = FloorViews([FloorView(geometry, camera_id) for camera_id in geometry.cameras])
        self._people: list[Person] = []
        self._identities = Identities(settings)
        self._last_ns: int | None = None
        self._next_id = first_id
        self._next_key = 1
        self.person_of_track: dict[tuple[str, int], int] = {}

    def update(self, captured_at_ns: int, tracks: Sequence[Tracks]) -> tuple[People, tuple[FloorEvent, ...]]:
        """Take one instant's tracks; return the people there and what became known of them."""
        by_camera = sorted(tracks, key=lambda each: each.detections.camera_id)
        self._predict(captured_at_ns)
        unexplained: list[Sighting] = []
        for sightings in all_sightings(by_camera, self._views, self._settings.sighting):
            unexplained += self._match(captured_at_ns, sightings)
        self._found(captured_at_ns, unexplained)
        self._correct()
        self._confirm(captured_at_ns)
        events: list[FloorEvent] = list(self._identities.update(self._people, captured_at_ns))
        self._reach(captured_at_ns, by_camera)
        events += self._cross(captured_at_ns)
        events += self._give_up(captured_at_ns)
        return self._report(captured_at_ns), tuple(events)

    def finish(self, at_ns: int) -> tuple[FloorEvent, ...]:
        """End the input: whoever was last seen going out through a gate has gone."""
        events: list[FloorEvent] = []
        for person in self._people:
            if person.confirmed and person.seen_ns < at_ns - round(self._settings.lost_after_s * NS_PER_S):
                events += self._gone_through(person)
        self._people = []
        return tuple(events)

    def _predict(self, at_ns: int) -> None:
        step_s = 0.0 if self._last_ns is None else (at_ns - self._last_ns) / NS_PER_S
        self._last_ns = at_ns
        s = self._settings
        for person in self._people:
            person.now = []
            person.state = person.state.predicted(step_s, s.acceleration_m_per_s2)
            unseen_s = (at_ns - person.seen_ns) / NS_PER_S
            if unseen_s > 2 * step_s:
                reach_m = 0.5 + s.walking_m_per_s * unseen_s / 3.0
                person.state = person.state.coasted(step_s, s.coast_s, reach_m)

    def _match(self, at_ns: int, sightings: list[Sighting]) -> list[Sighting]:
        """Give one camera's sightings to people, those lately seen first; return what is left."""
        if not sightings:
            return []
        lost_ns = round(self._settings.lost_after_s * NS_PER_S)
        recent = [p for p in self._people if p.confirmed and at_ns - p.seen_ns <= lost_ns]
        new = [p for p in self._people if not p.confirmed]
        lost = [p for p in self._people if p.confirmed and at_ns - p.seen_ns > lost_ns]
        left = sightings
        for group in (recent, new, lost):
            for person, sighting in matching.matched(group, left, self._settings):
                person.take(sighting, at_ns)
            taken = {id(each) for person in group for each in person.now}
            left = [each for each in left if id(each) not in taken]
        return left

    def _found(self, at_ns: int, sightings: list[Sighting]) -> None:
        """Start new people at sightings on the floor that nobody explains, one for all cameras that agree."""
        newcomers: list[Person] = []
        for sighting in sorted(
            sightings, key=lambda each: (each.covariance_m2[0] + each.covariance_m2[2], each.camera_id, each.row)
        ):
            if not self._floor.covers(Point(sighting.place_m)):
                continue
            same = next((p for p in newcomers if matching.same_newcomer(p, sighting, self._settings)), None)
            if same is None:
                same = Person(self._next_key, FloorState.start(*sighting.place_m, sighting.covariance_m2), at_ns, at_ns)
                self._next_key += 1
                newcomers.append(same)
            same.take(sighting, at_ns)
        self._people += newcomers

    def _correct(self) -> None:
        for person in self._people:
            person.cameras = tuple(each.camera_id for each in person.now)
            fresh = person.sightings == len(person.now)
            bias = self._settings.sighting.place_std_m**2 * (len(person.now) - 1)
            for sighting in person.now[1:] if fresh else person.now:
                covariance = added(sighting.covariance_m2, (bias, 0.0, bias))
                person.state = person.state.corrected(*sighting.place_m, covariance)

    def _confirm(self, at_ns: int) -> None:
        """Give ids to newcomers that have been watched long enough; some turn out to be somebody who was lost."""
        s = self._settings
        for person in [p for p in self._people if not p.confirmed and p.now]:
            person.by_gate = self._at_gate(person)
            lost = self._lost_ones(person, at_ns)
            back_s = s.returning_s if lost and person.height_m is not None else s.inside_founding_s
            founding_s = s.founding_s if person.by_gate else back_s
            if at_ns - person.born_ns < founding_s * NS_PER_S or person.sightings < s.founding_sightings:
                continue
            if not self._floor.covers(Point(person.place_m)) or self._may_be_known(person, at_ns):
                continue
            if lost:
                lost[0][1].uncertain |= len(lost) > 1 and lost[1][0] - lost[0][0] < s.looks_margin
                self._resume(lost[0][1], person)
                continue
            person.person_id = self._next_id
            self._next_id += 1
            person.gate_sides = [gates.UNKNOWN] * len(self._geometry.gates)

    def _may_be_known(self, newcomer: Person, at_ns: int) -> bool:
        """Return whether a newcomer can be somebody whom only other cameras see; it is given time to be folded."""
        s = self._settings
        if at_ns - newcomer.born_ns >= (s.founding_s + 2 * s.rejoin_after_s) * NS_PER_S:
            return False
        return any(
            person.confirmed
            and person.now
            and person.distance_m(newcomer) < s.apart_m
            and not set(person.cameras) & set(newcomer.cameras)
            for person in self._people
        )

    def _lost_ones(self, newcomer: Person, at_ns: int) -> list[tuple[float, Person]]:
        """Return the lost people that a newcomer can be, the likest first, each with how unlike it looks.

        They are within walking distance, and not of another look.
        """
        s = self._settings
        at_gate = any(gates.in_area(gate, newcomer.place_m) for gate in self._geometry.gates)
        fits: list[tuple[float, int, Person]] = []
        for person in self._people:
            unseen_s = (newcomer.born_ns - person.seen_ns) / NS_PER_S
            if not person.confirmed or person.now or unseen_s < 0:
                continue
            alike = cosine(person.look, newcomer.look)
            wanted = s.rejoin_cosine if at_gate or unseen_s > s.kept_s else s.rejoin_cosine - 0.25
            walked = s.farthest_match_m + s.walking_m_per_s * min(unseen_s + (at_ns - newcomer.born_ns) / NS_PER_S, 8.0)
            if person.distance_m(newcomer) <= walked and (alike is None or alike >= wanted):
                fits.append((-(alike or 0.0), person.key, person))
        return [(unlike, person) for unlike, _, person in sorted(fits, key=lambda fit: fit[:2])]

    def _resume(self, lost: Person, newcomer: Person) -> None:
        """Let a lost person go on where the newcomer is."""
        lost.state, lost.now, lost.cameras = newcomer.state, newcomer.now, newcomer.cameras
        lost.seen_ns, lost.links = newcomer.seen_ns, dict(newcomer.links)
        lost.camera_seen_ns |= newcomer.camera_seen_ns
        lost.sightings += newcomer.sightings
        self._people.remove(newcomer)

    def _cross(self, at_ns: int) -> list[FloorEvent]:
        events: list[FloorEvent] = []
        for person in self._people:
            if not person.confirmed or not person.now:
                continue
            for index, gate in enumerate(self._geometry.gates):
                side, way = gates.crossed(gate, person.gate_sides[index], person.place_m, self._settings.gates)
                person.gate_sides[index] = side
                if way is not None:
                    events.append(GateCrossing(person.person_id, gate.gate_id, way, at_ns))
        return events

    def _give_up(self, at_ns: int) -> list[FloorEvent]:
        """Forget newcomers that proved nothing, and people unseen for as long as the settings allow."""
        s = self._settings
        events: list[FloorEvent] = []
        kept: list[Person] = []
        for person in self._people:
            unseen_s = (at_ns - person.seen_ns) / NS_PER_S
            if not person.confirmed:
                kept += [person] if unseen_s <= s.founding_given_up_s else []
            elif unseen_s <= 0 or unseen_s <= self._kept_s(person):
                kept.append(person)
            else:
                events += self._gone_through(person)
                events.append(PersonVanished(person.person_id, at_ns, _rounded(person.place_m)))
        self._people = kept
        return events

    def _kept_s(self, person: Person) -> float:
        """Return how long a person is kept unseen."""
        s = self._settings
        if not person.by_gate and person.sightings < s.doubtful_sightings:
            return s.doubtful_kept_s
        return s.kept_s if self._can_leave(person) else s.kept_inside_s

    def _at_gate(self, person: Person) -> bool:
        """Return whether the person is where people come from: at a gate or outside one; anywhere without gates."""
        if not self._geometry.gates:
            return True
        place = person.place_m
        return any(gate.place_of(place)[1] < 0.0 or gates.in_area(gate, place) for gate in self._geometry.gates)

    def _can_leave(self, person: Person) -> bool:
        """Return whether the person was last seen outside, or where a gate is."""
        outside = any(side == gates.OUTSIDE for side in person.gate_sides)
        at_gate = any(gates.in_area(gate, person.place_m) for gate in self._geometry.gates)
        return outside or at_gate or not self._geometry.gates

    def _gone_through(self, person: Person) -> list[FloorEvent]:
        """Return the crossing of somebody who was lost inside, at a gate, and stayed away."""
        events: list[FloorEvent] = []
        for index, gate in enumerate(self._geometry.gates):
            if person.gate_sides[index] != gates.INSIDE or not gates.in_area(gate, person.place_m):
                continue
            ahead = (person.state.x + person.state.vx, person.state.y + person.state.vy)
            leaving = gate.place_of(ahead)[1] < gate.place_of(person.place_m)[1]
            if leaving and gate.kind != "entry":
                person.gate_sides[index] = gates.OUTSIDE
                events.append(GateCrossing(person.person_id, gate.gate_id, "out", person.seen_ns))
        return events

    def _reach(self, at_ns: int, tracks: Sequence[Tracks]) -> None:
        """Find the hands of everybody seen now."""
        s = self._settings.hands
        rays = hand_rays(tracks, self._views, s)
        for person in self._people:
            own = [ray for each in person.now for ray in rays.get((each.camera_id, each.row), ())]
            hands = hands_of(own, person.place_m, self._geometry, s, self._shoulder_m(person)) if own else []
            left, right = (at_ns - last <= s.memory_s * NS_PER_S and last > 0 for last in person.last_hands_ns)
            person.hands_m, person.hands_confidence = in_rows(hands, person.last_hands_m, (left, right))
            for row in range(2):
                if person.hands_confidence[row] > 0:
                    person.last_hands_m[row] = person.hands_m[row]
                    person.last_hands_ns[row] = at_ns

    def _shoulder_m(self, person: Person) -> float:
        """Return how high a person's shoulders are: people are about as tall as most, and as they are seen to be."""
        sighting = self._settings.sighting
        tall_m = sighting.body_height_m
        if person.height_m is not None:
            usual = sighting.body_height_std_m * sighting.body_height_std_m
            seen = sighting.seen_height_std_m * sighting.seen_height_std_m
            tall_m = (seen * tall_m + usual * person.height_m) / (usual + seen)
        return self._settings.hands.shoulder_height_m * tall_m / sighting.body_height_m

    def _is_told(self, person: Person, at_ns: int) -> bool:
        """Return whether a person is reported: everybody inside, and whoever is still in view outside."""
        in_view = at_ns - person.seen_ns <= round(self._settings.lost_after_s * NS_PER_S)
        outside = any(side == gates.OUTSIDE for side in person.gate_sides)
        return person.confirmed and (in_view or not outside)

    def _report(self, at_ns: int) -> People:
        people = sorted((p for p in self._people if self._is_told(p, at_ns)), key=lambda person: person.person_id)
        self.person_of_track = {
            (each.camera_id, each.track_id): person.person_id for person in people for each in person.now
        }
        n = len(people)
        covariance = [[(p.state.place[0], p.state.place[1]), (p.state.place[1], p.state.place[2])] for p in people]
        return People(
            at_ns,
            np.array([p.person_id for p in people], np.int64).reshape(n),
            np.round(np.array([p.place_m for p in people], np.float64).reshape(n, 2), 6),
            np.round(np.array(covariance, np.float64).reshape(n, 2, 2), 9),
            np.array([p.hands_m for p in people], np.float64).reshape(n, 2, 3),
            np.array([p.hands_confidence for p in people], np.float64).reshape(n, 2),
            tuple(p.cameras for p in people),
            np.array([p.uncertain for p in people], np.bool_).reshape(n),
        )


def _rounded(place_m: tuple[float, float]) -> tuple[float, float]:
    return round(place_m[0], 6), round(place_m[1], 6)
