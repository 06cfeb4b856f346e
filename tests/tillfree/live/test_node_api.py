"""The HTTP service of a store's machine: who may call, what comes back, and that the document says so."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from billing.access import Scope
from checkout.types import CartLine, ReviewAnswered
from tests.tillfree.live.node_shop import NOW, NodeShop, S, open_view, review, visit_row
from tillfree.live.errors import NodeFull
from tillfree.live.node import NOT_STARTED, AlertRow, GateReported, ReportKind

NOON = "2026-11-22T12:00:00.000000000Z"
# Who may do what, written down by hand; None is for everybody.
MATRIX: dict[tuple[str, str], set[Scope] | None] = {
    ("POST", "/v1/gates/{gate_id}/scans"): {Scope.GATE},
    ("POST", "/v1/gates/{gate_id}/reports"): {Scope.GATE},
    ("GET", "/v1/reviews"): {Scope.OPERATOR},
    ("POST", "/v1/reviews/{review_id}/answer"): {Scope.OPERATOR},
    ("GET", "/v1/visits"): {Scope.OPERATOR, Scope.VISION, Scope.AUDITOR},
    ("GET", "/healthz"): None,
    ("GET", "/v1/health"): set(Scope),
    ("GET", "/metrics"): set(Scope),
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/gates/{gate_id}/scans": {"token": "card-1"},
    "/v1/gates/{gate_id}/reports": {"kind": "door_opened"},
    "/v1/reviews/{review_id}/answer": {},
}


@pytest.fixture
def shop(node_shop: NodeShop) -> NodeShop:
    """Return a shop with a visit that is going on and a question about it."""
    held = visit_row(1, lines=(CartLine("cola", 2),), open_review_ids=("review-000001",), token="card-secret")
    node_shop.node.publish(open_view(people_inside=1, visits=(held, visit_row(2)), reviews=(review(),)))
    return node_shop


def problem(response: Any, status: int, kind: str) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["type"]) == (status, f"urn:tillfree:{kind}")
    return str(body["detail"])


def test_a_scan_over_http(shop: NodeShop) -> None:
    client, text = shop.client(Scope.GATE), shop.entry_pass()
    body = {"entry_pass": text, "party_size": 2, "at": "2026-11-22T11:59:58Z", "scan_id": "r-1"}
    said = client.post("/v1/gates/door/scans", json=body)
    assert (said.status_code, said.json()["outcome"], said.json()["reason"]) == (200, "admit", "welcome")
    (scan,) = shop.queued()
    assert (scan.at_ns, scan.party_size, said.json()["visit_id"]) == (NOW - 2 * S, 2, f"visit-{scan.scan_id}")
    again = client.post("/v1/gates/door/scans", json=body)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (said.json(), "true")
    assert "Idempotent-Replayed" not in said.headers
    another = client.post("/v1/gates/door/scans", json=body | {"scan_id": "r-2"})
    assert another.json()["reason"] == "pass_used"
    assert problem(client.post("/v1/gates/door/scans", json=body | {"party_size": 3}), 422, "request-reused")


def test_an_idempotency_key_is_its_readers_own(shop: NodeShop) -> None:
    one, other = shop.client(Scope.GATE), shop.client(Scope.GATE)
    headers = {"Idempotency-Key": "k-1"}
    found = [
        client.post("/v1/gates/door/scans", json={"token": "card-1"}, headers=headers).json()["visit_id"]
        for client in (one, one, other)
    ]
    assert found[0] == found[1] != found[2]
    assert len(shop.queued()) == 2


def test_gates_that_are_not_there(shop: NodeShop) -> None:
    client = shop.client(Scope.GATE)
    for path, body in (("scans", {"token": "card-1"}), ("reports", {"kind": "door_opened"})):
        said = problem(client.post(f"/v1/gates/window/{path}", json=body), 404, "unknown-gate")
        assert "'window'" in said
    problem(client.post("/v1/gates/wi%20ndow/scans", json={"token": "card-1"}), 422, "invalid-request")


def test_a_door_is_reported_once(shop: NodeShop) -> None:
    client = shop.client(Scope.GATE)
    body = {"kind": "door_forced", "at": NOON}
    for _ in range(2):
        said = client.post("/v1/gates/out/reports", json=body)
        assert (said.status_code, said.json()) == (202, {"at": NOON})
    client.post("/v1/gates/out/reports", json={"kind": "exit_button"})
    given = [each.given for each in shop.node.take(NOW)]
    assert given == [GateReported("out", kind, NOW) for kind in (ReportKind.DOOR_FORCED, ReportKind.EXIT_BUTTON)]


def test_reviews_with_their_answers(shop: NodeShop) -> None:
    shop.node.publish(open_view(reviews=(review(2, due_ns=NOW + 40 * S), review())))
    found = shop.client(Scope.OPERATOR).get("/v1/reviews").json()["items"]
    assert [each["review_id"] for each in found] == ["review-000001", "review-000002"]
    assert (found[0]["age_s"], found[0]["reason"], found[0]["slot_id"]) == (4.0, "doubtful", "slot-1")
    assert [
        (each["number"], each["visit_id"], each["sku"], each["quantity"], each["probability"])
        for each in found[0]["candidates"]
    ] == [
        (1, "visit-s1", "cola", 1, 0.6),
        (2, "visit-s1", "bread", 1, 0.3),
        (3, "visit-s2", "cola", 1, 0.6),
        (4, "visit-s2", "bread", 1, 0.3),
        (5, None, None, 0, None),
    ]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"candidate": 4}, ("visit-s2", "bread", 1)),
        ({"candidate": 5}, (None, None, 0)),
        ({}, (None, None, 0)),
        ({"visit_id": "visit-s2", "sku": "bread", "quantity": 3}, ("visit-s2", "bread", 3)),
        ({"visit_id": "visit-s1", "sku": "cola", "quantity": -2}, ("visit-s1", "cola", -2)),
        ({"sku": "cola", "quantity": 1}, (None, "cola", 1)),
    ],
)
def test_answers_reach_the_engine(shop: NodeShop, body: dict[str, Any], outcome: tuple[Any, ...]) -> None:
    said = shop.client(Scope.OPERATOR).post("/v1/reviews/review-000001/answer", json=body)
    assert (said.status_code, said.json()) == (202, {"at": NOON})
    (queued,) = shop.node.take(NOW)
    assert queued.given == ReviewAnswered("review-000001", NOW, *outcome)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"candidate": 6}, "has the answers 1 to 5, not 6"),
        ({"candidate": 1, "sku": "cola"}, "not both"),
        ({"sku": "gold", "quantity": 1}, "no product 'gold'"),
        ({"sku": "cola"}, "a quantity other than 0"),
        ({"quantity": 1}, "a quantity other than 0"),
        ({"visit_id": "visit-s1"}, "names no visit"),
        ({"visit_id": "visit-s9", "sku": "cola", "quantity": 1}, "'visit-s9' is not open"),
        ({"visit_id": "visit-s1", "sku": "cola", "quantity": -3}, "does not hold 3 of cola"),
        ({"visit_id": "visit-s1", "sku": "bread", "quantity": -1}, "does not hold 1 of bread"),
    ],
)
def test_answers_that_cannot_be(shop: NodeShop, body: dict[str, Any], said: str) -> None:
    response = shop.client(Scope.OPERATOR).post("/v1/reviews/review-000001/answer", json=body)
    assert said in problem(response, 422, "answer-refused")
    assert shop.node.take(NOW) == ()


def test_a_review_is_answered_once(shop: NodeShop) -> None:
    client, path = shop.client(Scope.OPERATOR), "/v1/reviews/review-000001/answer"
    assert client.post(path, json={"candidate": 1}).status_code == 202
    assert client.post(path, json={"candidate": 1}).status_code == 202
    problem(client.post(path, json={"candidate": 2}), 409, "review-answered")
    shop.node.publish(open_view())
    problem(client.post(path, json={"candidate": 1}), 404, "unknown-review")


def test_visits_show_no_token(shop: NodeShop) -> None:
    said = shop.client(Scope.OPERATOR).get("/v1/visits")
    first = said.json()["items"][0]
    assert (said.json()["people_inside"], first["lines"]) == (1, [{"sku": "cola", "quantity": 2}])
    assert first["who"].startswith("card-")
    assert "secret" not in said.text


def test_whether_it_lives_and_is_ready(shop: NodeShop) -> None:
    client = shop.client()
    client.headers.pop("Authorization")
    assert client.get("/healthz").json() == {"is_live": True, "is_ready": True}
    assert client.get("/healthz?probe=ready").status_code == 200
    shop.at_ns += 6 * S  # the engine stands still
    assert client.get("/healthz").json() == {"is_live": True, "is_ready": False}
    assert (client.get("/healthz").status_code, client.get("/healthz?probe=ready").status_code) == (200, 503)


def test_how_each_part_is(shop: NodeShop) -> None:
    client = shop.client(Scope.AUDITOR)
    rows = {row["name"]: row for row in client.get("/v1/health").json()["rows"]}
    assert [name for name, row in rows.items() if not row["is_up"]] == ["cam-2"]
    assert (rows["cam-1"]["detail"], rows["cam-2"]["detail"]) == ("10.0 frames/s", "no frame for 9 s")
    shop.node.publish(NOT_STARTED)
    said = client.get("/v1/health").json()
    assert (said["is_ready"], [row["detail"] for row in said["rows"]]) == (
        False,
        ["the engine has not started", "has not started", "", "", ""],
    )


def test_alerts_are_listed_with_reviews_and_billing_with_health(shop: NodeShop) -> None:
    alert = AlertRow(NOW, "billing_refused", "billing refused (open): pass-used", "visit-s1")
    shop.node.publish(open_view(visits=(visit_row(1, refused="pass-used"),), alerts=(alert,), billing="2 orders wait"))
    client = shop.client(Scope.OPERATOR)
    (said,) = client.get("/v1/reviews").json()["alerts"]
    assert (said["what"], said["visit_id"], said["detail"]) == (alert.what, alert.visit_id, alert.detail)
    assert client.get("/v1/visits").json()["items"][0]["refused"] == "pass-used"
    row = next(row for row in client.get("/v1/health").json()["rows"] if row["part"] == "billing")
    assert (row["is_up"], row["detail"]) == (False, "2 orders wait")


def test_metrics_count_decisions(shop: NodeShop) -> None:
    app = shop.app()
    gate, scraper = shop.client(Scope.GATE, app=app), shop.client(Scope.AUDITOR, app=app)
    for token in ("card-1", "card-2"):
        gate.post("/v1/gates/door/scans", json={"token": token})
    gate.post("/v1/gates/out/scans", json={"token": "card-1"})
    gate.post("/v1/gates/made-up/scans", json={"token": "card-1"})
    families = text_string_to_metric_families(scraper.get("/metrics").text)
    found = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}
    scans = {
        key[1][1] + " " + key[3][1]: value for key, value in found.items() if key[0] == "tillfree_node_scans_total"
    }
    assert scans == {"door welcome": 2.0, "out exit_only": 1.0}
    assert found[("tillfree_node_people_inside",)] == 1.0
    assert found["tillfree_node_camera_up", ("camera", "cam-2")] == 0.0
    assert found["tillfree_node_gate_seen", ("gate", "door")] == 1.0


def test_everybody_may_do_what_the_matrix_says(shop: NodeShop) -> None:
    app = shop.app()
    clients = {scope: shop.client(scope, app=app) for scope in Scope}
    places = {"gate_id": "door", "review_id": "review-000001"}
    for (method, path), scopes in MATRIX.items():
        for scope, client in clients.items():
            said = client.request(method, path.format(**places), json=BODIES.get(path))
            is_allowed = scopes is None or scope in scopes
            assert (said.status_code == 403) is not is_allowed, (method, path, scope, said.text)


def test_the_matrix_is_of_all_calls_and_strangers_may_none(shop: NodeShop) -> None:
    app = shop.app()
    document = app.openapi()
    assert set(MATRIX) == {(m.upper(), path) for path, item in document["paths"].items() for m in item}
    stranger, unknown = shop.client(app=app), shop.client(app=app)
    stranger.headers.pop("Authorization")
    unknown.headers["Authorization"] = f"Bearer tf_{'0' * 12}_{'A' * 43}"
    closed = [key for key, scopes in MATRIX.items() if scopes is not None]
    for method, path in [*closed, ("GET", "/openapi.json")]:
        place = path.format(gate_id="door", review_id="review-000001")
        for client in (stranger, unknown):
            said = client.request(method, place, json=BODIES.get(path))
            problem(said, 401, "not-known")
            assert said.headers["WWW-Authenticate"] == "Bearer"
    assert shop.client(app=app).get("/openapi.json").json()["info"]["title"] == "Tillfree node"


def test_too_many_calls(shop: NodeShop) -> None:
    client = shop.client(Scope.GATE, app=shop.app(per_s=0.1))
    body = {"token": "card-1"}
    assert client.post("/v1/gates/door/scans", json=body).status_code == 200
    problem(client.post("/v1/gates/door/scans", json=body), 429, "too-many-requests")


def test_an_inbox_that_is_full(shop: NodeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: object) -> None:
        raise NodeFull("10000 inputs wait for the engine already")

    for name in ("admit", "answer", "report"):
        monkeypatch.setattr(shop.node, name, full)
    client = shop.client()
    assert client.post("/v1/gates/door/scans", json={"token": "card-1"}).json()["reason"] == "not_kept"
    said = client.post("/v1/gates/door/reports", json={"kind": "door_opened"})
    assert problem(said, 503, "node-full")
    assert said.headers["Retry-After"] == "1"
    problem(client.post("/v1/reviews/review-000001/answer", json={}), 503, "node-full")


def answers_of(shop: NodeShop, examples: int, *, fuzzing: bool) -> tuple[set[tuple[str, int]], list[str]]:
    """Let schemathesis call all there is; return what was answered, and what of it the document does not say."""
    app = shop.app()
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {shop.key()}"},
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
            "phases": {"coverage": {"enabled": True}, "fuzzing": {"enabled": fuzzing}, "stateful": {"enabled": False}},
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]}},
        }
    )
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    schema.app = app
    answers: set[tuple[str, int]] = set()
    wrong: list[str] = []
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        recorder = getattr(event, "recorder", None)
        for case_id, checks in ({} if recorder is None else recorder.checks).items():
            case, interaction = recorder.cases[case_id].value, recorder.interactions[case_id]
            label = case.operation.label
            body = "" if interaction.response is None else interaction.response.content[:300].decode(errors="replace")
            failed = [check.failure_info.failure for check in checks if check.status is Status.FAILURE]
            wrong += [f"{label}: {each.title}: {each.message}: {body}" for each in failed]
            is_good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
            if is_good and "urn:tillfree:invalid-request" in body:
                wrong.append(f"{label}: valid by the document, and refused: {body}")
            if interaction.response is not None:
                answers.add((label, interaction.response.status_code))
    return answers, wrong


def test_answers_are_those_of_the_document(shop: NodeShop) -> None:
    answers, wrong = answers_of(shop, 1, fuzzing=False)
    assert wrong == []
    assert {label for label, _ in answers} == {f"{method} {path}" for method, path in MATRIX}
    assert {status for _, status in answers if status >= 500 and status != 503} == set()


@pytest.mark.slow
def test_many_answers_are_those_of_the_document(shop: NodeShop) -> None:
    answers, wrong = answers_of(shop, 200, fuzzing=True)
    assert wrong == []
    assert {status for _, status in answers if status >= 500 and status != 503} == set()


def test_operations_have_words_and_names(shop: NodeShop) -> None:
    document = shop.app().openapi()
    said = [each for item in document["paths"].values() for each in item.values()]
    assert [
        each["operationId"] for each in said if not (each["summary"] and each["description"] and each["tags"])
    ] == []
    assert len({each["operationId"] for each in said}) == len(said)
    for each in said:
        for status, answer in each["responses"].items():
            if status >= "400" and each["operationId"] != "get_probe":
                assert list(answer["content"]) == ["application/problem+json"], (each["operationId"], status)
