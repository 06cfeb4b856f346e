"""Recordings: the list, one of them, its videos, and who may label."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from dashboard.app import create_app
from dashboard.audit import AuditLog
from dashboard.recordings_desk.desk import MOST_CHANGES, RecordingsDesk
from dashboard.roles import Role
from store_layout.errors import InputError
from tests.dashboard.desk_rig import URL, Office, S, csrf_of, send
from tests.dashboard.recordings_rig import BEGAN_NS, NAME, RUN, SOAP, FakeCutter, recorded
from tillfree.commands.evaluate import load_pair

AT = f"/v1/desk/recordings/{NAME}"


@pytest.fixture
def desk(office: Office, tmp_path: Path) -> RecordingsDesk:
    return recorded(office, tmp_path)


def change(browser: TestClient, what: str, number: int, **more: Any) -> Response:
    """Send the change that comes after ``number`` others."""
    revision = browser.get(AT).json()["revision"] // MOST_CHANGES * MOST_CHANGES + number
    return change_at(browser, what, revision, **more)


def change_at(browser: TestClient, what: str, revision: int, **more: Any) -> Response:
    head = {"X-CSRF": csrf_of(browser.get("/recordings"))}
    return browser.post(f"{AT}/changes", json={"revision": revision, "what": what, **more}, headers=head)


def took(at_s: float = 19.2, **changes: Any) -> dict[str, Any]:
    event = {"kind": "pick", "shelf": "breakfast/high", "slot": SOAP, "sku": "blanka-soap", "visit": "visit-1"}
    return {**event, "from_s": at_s, "to_s": at_s + 0.6, **changes}


def test_everybody_sees_which_there_are(office: Office, desk: RecordingsDesk) -> None:
    shutil.copytree(desk.folder / NAME, desk.folder / "broken")
    (desk.folder / "broken/recording.yaml").write_text("version: 9", encoding="utf-8")
    browser = office.signed_in(Role.VIEWER)
    page = browser.get("/recordings").text
    assert f"/recordings/{NAME}" in page
    assert "cannot be opened" in page
    items = {each["name"]: each for each in browser.get("/v1/desk/recordings").json()["items"]}
    assert (items[NAME]["labels"], items[NAME]["has_run"], items[NAME]["cameras"]) == (0, True, 4)
    assert browser.get("/recordings/broken").status_code == 422
    assert "data-labels" not in browser.get(f"/recordings/{NAME}").text


def test_one_is_told_with_its_slots_and_what_its_run_saw(office: Office, desk: RecordingsDesk) -> None:
    told = office.signed_in(Role.VIEWER).get(AT).json()
    assert told["visits"] == [{"id": "visit-1", "scanned_at_s": 4.266}]
    assert [each["visit"] for each in told["seen"]] == ["visit-1"] * len(RUN)
    assert any(slot["id"] == SOAP for camera in told["cameras"] for slot in camera["slots"])
    assert "card-ben" not in str(told)


def test_videos_come_in_parts(office: Office, desk: RecordingsDesk) -> None:
    browser = office.signed_in(Role.VIEWER)
    part = browser.get(f"{AT}/videos/cam1", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"ftyp", "video/mp4")
    for path in (f"{AT}/videos/cam9", "/v1/desk/recordings/..%2Fx", "/v1/desk/recordings/store", "/recordings/store"):
        assert browser.get(path).status_code == 404
    assert office.browser().get(f"{AT}/videos/cam1").status_code == 401


def test_labels_become_a_truth_that_can_be_evaluated(office: Office, desk: RecordingsDesk, tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    office.desk = dataclasses.replace(office.desk, audit=audit)
    browser = office.signed_in(Role.OPERATOR)
    told = change(browser, "propose", 0).json()
    assert [each["provenance"] for each in told["labels"]] == ["proposed"] * 3
    assert [each["pair"] for each in told["labels"]] == [0, 1, 2]
    assert change(browser, "complete", 1).status_code == 422
    assert change(browser, "confirm", 1, id=1).json()["labels"][0]["provenance"] == "confirmed"
    told = change(browser, "edit", 2, id=2, event=took(quantity=2)).json()
    assert (told["labels"][1]["provenance"], told["labels"][1]["quantity"]) == ("edited", 2)
    change(browser, "remove", 3, id=3)
    told = change(browser, "add", 4, event=took(25.0, kind="put_back")).json()
    assert [each["provenance"] for each in told["labels"]] == ["confirmed", "edited", "added"]
    assert change(browser, "complete", 5).json()["is_complete"]
    _, true = load_pair(desk.folder / NAME)
    assert (true.truth.interactions_known, true.truth.receipts_known) == (True, True)
    assert {line.sku: line.quantity for line in true.truth.visits[0].receipt} == {
        "montano-coffee": 1,
        "blanka-soap": 1,
    }
    latest = audit.latest(1)[0]
    assert (latest.who, latest.what, latest.subject, latest.detail) == (
        "operator-1",
        "recording.label",
        NAME,
        "complete",
    )
    audit.close()


def test_a_change_is_taken_back_and_two_people_do_not_overwrite_each_other(
    office: Office, desk: RecordingsDesk
) -> None:
    browser = office.signed_in(Role.OPERATOR)
    assert change(browser, "add", 0, event=took()).json()["can_undo"]
    assert change(browser, "add", 0, event=took(30.0)).status_code == 409
    told = change(browser, "undo", 1).json()
    assert (told["labels"], told["can_undo"], told["revision"] % MOST_CHANGES) == ([], False, 2)
    assert change(browser, "undo", 2).json()["revision"] == told["revision"]


def test_a_truth_that_somebody_else_wrote_is_read_again(office: Office, tmp_path: Path) -> None:
    desk = recorded(office, tmp_path, truth=True)
    browser, file = office.signed_in(Role.OPERATOR), desk.folder / NAME / "truth/truth.json"
    told = browser.get(AT).json()
    assert told["is_complete"]
    assert told["labels"][0]["pair"] == 0
    file.write_text('{"version": 1, "interactions_known": false}', encoding="utf-8")
    assert browser.get(AT).json()["labels"] == []
    assert change_at(browser, "add", told["revision"], event=took(visit=None)).status_code == 409


WRONG = (
    took(slot="breakfast/high/s99"),
    took(shelf="nowhere", slot=None),
    took(sku="no-such"),
    took(visit="visit-9"),
    took(to_s=1.0),
    took(quantity=0),
    took(more=1),
)


def test_what_cannot_be_is_refused(office: Office, desk: RecordingsDesk) -> None:
    browser = office.signed_in(Role.OPERATOR)
    assert {change(browser, "add", 0, event=event).status_code for event in WRONG} <= {400, 422}
    assert change(browser, "confirm", 0, id=5).status_code == 404
    assert change(browser, "confirm", 0).status_code == 422
    assert not (desk.folder / NAME / "truth").exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_who_looks_does_not_label(office: Office, desk: RecordingsDesk, role: Role) -> None:
    assert change(office.signed_in(role), "propose", 0).status_code == 403
    assert not (desk.folder / NAME / "truth").exists()


def test_another_sites_command_does_nothing(office: Office, desk: RecordingsDesk) -> None:
    browser = office.signed_in(Role.MANAGER)
    answer = browser.post(f"{AT}/changes", json={"revision": 0, "what": "propose"}, headers={"X-CSRF": "00"})
    assert answer.status_code == 403
    assert not (desk.folder / NAME / "truth").exists()


def test_a_run_that_cannot_be_read_is_told(office: Office, desk: RecordingsDesk) -> None:
    def damaged(_file: Path) -> Any:
        raise InputError("line 3 is damaged")

    office.desk = dataclasses.replace(office.desk, recordings=RecordingsDesk(desk.folder, damaged))
    assert "line 3" in office.signed_in(Role.VIEWER).get(AT).json()["run_problem"]


def test_without_recordings_there_is_no_such_page(office: Office) -> None:
    browser = office.signed_in(Role.VIEWER)
    assert browser.get("/recordings").status_code == 404
    assert browser.get("/v1/desk/recordings").status_code == 404


def test_a_page_from_before_a_restart_changes_nothing_that_it_does_not_show(
    office: Office, desk: RecordingsDesk
) -> None:
    browser = office.signed_in(Role.OPERATOR)
    told = change(browser, "propose", 0).json()
    change(browser, "remove", 1, id=1)
    office.desk = dataclasses.replace(office.desk, recordings=RecordingsDesk(desk.folder, lambda _file: RUN))
    again = TestClient(create_app(office.desk), base_url=URL, cookies=dict(browser.cookies))
    assert change_at(again, "confirm", told["revision"], id=2).status_code == 409
    assert [each["provenance"] for each in again.get(AT).json()["labels"]] == ["proposed"] * 2


def test_the_pipeline_is_run_from_the_page_one_at_a_time(office: Office, desk: RecordingsDesk) -> None:
    browser = office.signed_in(Role.OPERATOR)
    head = {"X-CSRF": csrf_of(browser.get("/recordings"))}
    before = browser.get(f"{AT}/run").json()
    assert (before["can_run"], before["is_over"], before["problem"]) == (True, True, "")
    assert browser.post(f"{AT}/run", headers=head).json() == {**before, "is_over": False}
    assert browser.post(f"{AT}/run", headers=head).status_code == 409
    assert browser.post(f"{AT}/run/cancel", headers=head).json() == {**before, "share": 0.5}
    assert office.signed_in(Role.VIEWER).post(f"{AT}/run", headers=head).status_code == 403


def test_where_nothing_is_run_it_says_so(office: Office, desk: RecordingsDesk) -> None:
    office.desk = dataclasses.replace(office.desk, recordings=RecordingsDesk(desk.folder, lambda _file: ()))
    browser = office.signed_in(Role.OPERATOR)
    assert browser.get(f"{AT}/run").json()["can_run"] is False
    head = {"X-CSRF": csrf_of(browser.get("/recordings"))}
    assert browser.post(f"{AT}/run", headers=head).status_code == 503


@pytest.fixture
def audit(office: Office, desk: RecordingsDesk, tmp_path: Path) -> Iterator[AuditLog]:
    with closing(AuditLog(tmp_path / "audit.jsonl")) as log:
        office.desk = dataclasses.replace(office.desk, audit=log)
        yield log


def deeds(audit: AuditLog) -> list[tuple[str, str, str]]:
    return [(deed.what, deed.subject, deed.detail) for deed in audit.latest(9)]


def test_a_manager_cuts_a_recording_from_the_cameras(office: Office, desk: RecordingsDesk, audit: AuditLog) -> None:
    browser = office.signed_in(Role.MANAGER)
    send(browser, "/recordings", "/recordings", name="lunch", last_s="30")
    assert "lunch is being cut" in browser.get("/recordings").text
    assert isinstance(desk.cutter, FakeCutter)
    assert desk.cutter.asked == [("lunch", BEGAN_NS - 30 * S, BEGAN_NS)]
    refused = send(browser, "/recordings", "/recordings", name=NAME, last_s="30").headers["location"]
    assert "is there already" in browser.get(refused).text
    assert send(browser, "/recordings", "/recordings", name="../etc", last_s="30").status_code == 400
    told = browser.get("/v1/desk/recordings").json()["cut"]
    assert told == {"name": "lunch", "share": 0.0, "is_over": False, "problem": "", "lacking": []}
    assert ("recording.cut", "lunch", "2026-03-02T08:59:30+00:00 – 2026-03-02T09:00:00+00:00") in deeds(audit)


def test_programs_cut_by_times_and_operators_do_not(office: Office, audit: AuditLog) -> None:
    at_ms = BEGAN_NS // 1_000_000
    body = {"name": "tea", "from_ms": at_ms - 9_000, "to_ms": at_ms}
    for role, status in ((Role.OPERATOR, 403), (Role.MANAGER, 200)):
        browser = office.signed_in(role)
        page = browser.get("/recordings")
        assert ("Cut from the cameras" in page.text) == (status == 200)
        head = {"X-CSRF": csrf_of(page)}
        assert browser.post("/v1/desk/recordings", json=body, headers=head).status_code == status
    assert ("recording.cut", "tea", "2026-03-02T08:59:51+00:00 – 2026-03-02T09:00:00+00:00") in deeds(audit)
    assert browser.post("/v1/desk/recordings", json=body | {"from_ms": 0}, headers=head).status_code == 422
