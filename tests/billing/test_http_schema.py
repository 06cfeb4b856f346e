"""The service against its own OpenAPI document: schemathesis makes calls, good and bad, and checks each answer."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis import GenerationMode, hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.schemas import BaseSchema

from billing.access import Scope
from billing.db.outbox import add_endpoint
from billing.http.app import create_app
from billing.http.calls import GatewayNews
from billing.pricebook import PriceBook
from billing.store import BillingStore
from billing.types import Endpoint
from billing.webhooks import new_secret
from tests.billing.shop import COLA, DECLINED, NOON, NOON_NS, Shop

METHODS = ("get", "post", "put", "patch", "delete")
KEY = re.compile(r"[!-~]{1,200}")
PASSWORD = "correct horse battery"

# What is there before schemathesis calls; valid ids that it makes up are replaced by these in turn.
KNOWN = {
    "visit_id": ("done", "open", "cash", "debt", "none"),
    "refund_id": ("r1", "cash-back", "none"),
    "dispute_id": ("d1", "d2", "none"),
    "endpoint_id": ("ep_1", "ep_2"),
    "sku": ("cola", "bread", "water", "gold"),
}

# Answers to what the document allows and the state of things does not.
REFUSALS = ["2xx", "3xx", "400", "401", "404", "409", "412", "422"]


@pytest.fixture
def shop(store: BillingStore, book: PriceBook) -> Shop:
    """Return a shop with a visit of each kind."""
    shop = Shop(store, book, per_s=1e6)
    shop.app = create_app(shop.service, store, lambda: shop.now_ns, news=read_news, outbox=shop.outbox, per_s=1e6)
    shop.client = shop.client_of(shop.key)
    shop.access.add_operator("anna", PASSWORD, frozenset({Scope.OPERATOR}), NOON_NS)
    shop.final("done")
    shop.opened("open")
    shop.final("cash", "cash")
    shop.final("debt", DECLINED)
    for refund in ("r1", "r2"):
        item = {"sku": "cola", "quantity": 1}
        shop.do("/v1/refunds", {"refund_id": refund, "visit_id": "done", "reason": "goodwill", "items": [item]})
    with store.transaction() as books:
        add_endpoint(books, Endpoint("ep_1", "https://shop.example/hooks", ("receipt.final",), NOON_NS), new_secret())
    shop.final("told")
    for dispute in ("d1", "d2"):
        shop.do("/v1/disputes", {"dispute_id": dispute, "visit_id": "cash", "kind": "contest", "items": COLA})
    return shop


def read_news(body: bytes, signature: str, at_ns: int) -> GatewayNews:
    """Read news that are about nothing."""
    return GatewayNews(f"news-{len(body)}", signature[:20], None)


def loaded(shop: Shop, examples: int, **phases: bool) -> BaseSchema:
    """Return the app's document, ready to be run with all checks that there are."""
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {shop.key}"},
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
            "phases": {name: {"enabled": is_on} for name, is_on in phases.items()},
            "checks": {"positive_data_acceptance": {"expected-statuses": REFUSALS}},
        }
    )
    schema = schemathesis.openapi.from_dict(shop.app.openapi(), config=config)
    schema.app = shop.app
    return schema


@contextlib.contextmanager
def known_ids(shop: Shop) -> Iterator[None]:
    """Give each call that is well formed a key of its own, and ids of what is there; let time pass before it."""
    numbers = itertools.count()

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        shop.now_ns += 6 * 10**9  # what a stranger has to wait for
        if not _was_valid(case):
            return
        if KEY.fullmatch(case.headers.get("Idempotency-Key", "")):
            case.headers["Idempotency-Key"] = f"fuzz-{next(numbers)}"
        for part in (case.path_parameters, case.body):
            known(part, numbers)

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        hooks.unregister(before_call)


def known(part: Any, numbers: Iterator[int]) -> None:
    """Replace ids in a call by such as are there, wherever they stand."""
    if isinstance(part, list):
        for each in part:
            known(each, numbers)
    if isinstance(part, dict):
        for name, value in part.items():
            if name in KNOWN and isinstance(value, str):
                part[name] = KNOWN[name][next(numbers) % len(KNOWN[name])]
            known(value, numbers)


def run(shop: Shop, schema: BaseSchema) -> tuple[Counter[tuple[str, int]], list[str]]:
    """Return how often each operation was answered how, and all that is wrong with the answers."""
    answers: Counter[tuple[str, int]] = Counter()
    wrong: list[str] = []
    with known_ids(shop):
        found = list(from_schema(schema).execute())
    for event in found:
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        recorder = getattr(event, "recorder", None)
        for case_id, checks in ({} if recorder is None else recorder.checks).items():
            failed = [check.failure_info.failure for check in checks if check.status is Status.FAILURE]
            case, interaction = recorder.cases[case_id].value, recorder.interactions[case_id]
            said = "" if interaction.response is None else interaction.response.content[:300].decode(errors="replace")
            wrong += [f"{case.operation.label}: {each.title}: {each.message}: {said}" for each in failed]
            if _was_valid(case) and "urn:tillfree:invalid-request" in said:
                wrong.append(f"{case.operation.label}: valid by the document, and refused: {said}")
        for case_id, interaction in ({} if recorder is None else recorder.interactions).items():
            if interaction.response is not None:
                label = recorder.cases[case_id].value.operation.label
                answers[label, interaction.response.status_code] += 1
    return answers, wrong


def _was_valid(case: Any) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def operations(document: dict[str, Any]) -> set[str]:
    """Return the labels of all operations."""
    return {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}


def test_answers_are_those_of_the_document(shop: Shop) -> None:
    """What comes to mind. What each field may be at most and least takes long."""
    answers, wrong = run(shop, loaded(shop, 1, coverage=False, fuzzing=True, stateful=False))
    assert wrong == []
    assert {label for label, _ in answers} == operations(shop.app.openapi())
    assert {status for _, status in answers if status >= 500} == set()
    assert len({label for label, status in answers if status < 300}) > 12


@pytest.mark.slow
def test_many_answers_are_those_of_the_document(shop: Shop) -> None:
    answers, wrong = run(shop, loaded(shop, 100, coverage=True, fuzzing=True, stateful=True))
    assert wrong == []
    assert {status for _, status in answers if status >= 500} == set()


def test_every_operation_succeeds_as_documented(shop: Shop) -> None:
    schema = loaded(shop, 1)
    done = set()
    clip = {"evidence_id": "e", "name": "shelf", "media_type": "video/mp4", "sha256": "0" * 64, "location": "clips/e"}
    bread = [{"sku": "bread", "quantity": 1}]
    asked = {"dispute_id": "d3", "visit_id": "done", "kind": "return", "items": bread}
    calls: list[tuple[str, str, dict[str, str], Any]] = [
        ("POST", "/v1/standing", {}, {"token": "card"}),
        ("POST", "/v1/visits", {}, {"visit_id": "new", "token": "card"}),
        ("POST", "/v1/visits/{visit_id}/joins", {"visit_id": "new"}, {"scan_id": "s", "token": "card"}),
        ("PUT", "/v1/visits/{visit_id}/draft", {"visit_id": "new"}, {"items": COLA}),
        ("POST", "/v1/visits/{visit_id}/receipt", {"visit_id": "new"}, {"items": COLA}),
        ("POST", "/v1/visits/{visit_id}/cash", {"visit_id": "cash"}, {"cash_id": "till-1"}),
        ("POST", "/v1/refunds", {}, {"refund_id": "cash-back", "visit_id": "cash", "reason": "damaged"}),
        ("POST", "/v1/refunds/{refund_id}/payouts", {"refund_id": "cash-back"}, {"cash_id": "till-2"}),
        ("POST", "/v1/visits/{visit_id}/charges", {"visit_id": "debt"}, {"token": "card"}),
        (
            "POST",
            "/v1/visits/{visit_id}/corrections",
            {"visit_id": "done"},
            {"correction_id": "c", "items": bread},
        ),
        ("POST", "/v1/disputes", {}, asked),
        ("POST", "/v1/disputes/{dispute_id}/evidence", {"dispute_id": "d3"}, clip),
        ("POST", "/v1/disputes/{dispute_id}/decision", {"dispute_id": "d3"}, {"state": "upheld", "note": "seen"}),
        ("POST", "/v1/endpoints", {}, {"url": "https://shop.example/more", "topics": ["charge.paid"]}),
        ("POST", "/v1/endpoints/{endpoint_id}/disable", {"endpoint_id": "ep_1"}, None),
        ("POST", "/v1/endpoints/{endpoint_id}/enable", {"endpoint_id": "ep_1"}, None),
        ("POST", "/v1/endpoints/{endpoint_id}/replay", {"endpoint_id": "ep_1"}, {"since": NOON}),
        ("POST", "/v1/deliveries/{delivery_id}/replay", {"delivery_id": "1"}, None),
        ("POST", "/v1/resolve", {}, None),
        ("POST", "/v1/sessions", {}, {"login": "anna", "password": PASSWORD}),
        ("DELETE", "/v1/sessions", {}, None),
    ]
    places = {"visit_id": "new", "refund_id": "cash-back", "dispute_id": "d3", "endpoint_id": "ep_1"}
    reads = [label.partition(" ")[2] for label in sorted(operations(shop.app.openapi())) if label.startswith("GET")]
    calls += [("GET", path, {name: places[name] for name in re.findall(r"{(\w+)}", path)}, None) for path in reads]
    for method, path, names, body in calls:
        response = shop.do(path.format(**names), body, method=method)
        assert response.status_code < 300, (method, path, response.text)
        schema[path][method].validate_response(response)
        done.add(f"{method} {path}")
    news = shop.client.post("/v1/gateway/news", content=b"{}", headers={"Stripe-Signature": "t=1"})
    assert news.status_code == 204
    assert done | {"POST /v1/gateway/news"} == operations(shop.app.openapi())


def test_operations_are_named_for_generated_clients(shop: Shop) -> None:
    document = shop.app.openapi()
    said = [each for item in document["paths"].values() for method, each in item.items() if method in METHODS]
    names = [each["operationId"] for each in said]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", name)] == []
    assert {"open_visit", "finalise_visit", "charge_again", "get_receipt"} <= set(names)
    assert [
        each["operationId"] for each in said if not (each["summary"] and each["description"] and each["tags"])
    ] == []


def test_operations_are_called_as_their_functions(shop: Shop) -> None:
    document = shop.app.openapi()
    named = {each["operationId"] for item in document["paths"].values() for each in item.values()}
    functions = {
        name
        for module in ("gates", "visits", "receipts", "money", "endpoints", "system", "news", "reference")
        for name, value in vars(__import__(f"billing.http.{module}", fromlist=["router"])).items()
        if callable(value) and getattr(value, "__module__", "") == f"billing.http.{module}"
    }
    assert named <= functions


def test_errors_are_documented_as_problems(shop: Shop) -> None:
    document = shop.app.openapi()
    for path, item in document["paths"].items():
        for method, said in item.items():
            errors = {status: each for status, each in said["responses"].items() if status >= "4"}
            if path.startswith("/v1/") and path not in ("/v1/gateway/news", "/v1/sessions"):
                assert {"401", "403", "429", "503"} <= set(errors), (method, path)
            if "requestBody" in said:
                assert {"400", "413", "422"} <= set(errors), (method, path)
            for status, each in errors.items():
                if path != "/readyz":
                    content = {"schema": {"$ref": "#/components/schemas/Problem"}}
                    assert each["content"] == {"application/problem+json": content}, (method, path, status)


def test_models_are_named_by_what_they_are(shop: Shop) -> None:
    models = shop.app.openapi()["components"]["schemas"]
    assert {"Receipt", "Charge", "Refund", "Dispute", "Visit", "Payment", "Line", "Tax", "Problem"} <= set(models)
    assert [name for name in models if name.endswith(("Out", "In"))] == []
    assert "HTTPValidationError" not in models
    times = [
        (name, field)
        for name, model in models.items()
        for field, said in model.get("properties", {}).items()
        if field.endswith("_ns") or (field.endswith("_at") and "date-time" not in str(said))
    ]
    assert times == []
