"""The dashboard's API against its own OpenAPI document: schemathesis makes calls, good and bad, and checks each answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis import GenerationMode, hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from benchmarks.dashboard_load.visit_events import Told as Visited
from dashboard.app import create_app
from dashboard.roles import Role
from dashboard.web import CSRF_HEADER, SESSION_COOKIE
from tests.dashboard.desk_rig import PASSWORD, Office
from tests.dashboard.health_rig import Fakery
from tests.dashboard.people_rig import Told as Configured
from tests.dashboard.people_rig import quick_hashes
from tests.dashboard.recordings_rig import recorded
from tests.dashboard.review_rig import Store, question, with_reviews
from tests.dashboard.stock_rig import PlayedSupplier, stocked
from tests.dashboard.visits_rig import GEOMETRY, NOW, counter

KNOWN = {"review_id": ("review-000001", "none"), "visit_id": ("visit-s1", "none"), "login": ("operator-1", "none")}
"""What is there; ids that schemathesis makes up are replaced by these in turn."""

REFUSALS = ["2xx", "400", "404", "409", "422", "429"]


@pytest.fixture
def whole(office: Office, tmp_path: Path) -> Iterator[Store]:
    """A dashboard with all that it can have; return the store that asks."""
    product = next(iter(GEOMETRY.store.products))
    told = Visited(1, NOW - 10**12, "card-1", {product.sku: 2}, {product.sku: product.price_minor})
    with quick_hashes(), stocked(office, tmp_path), counter(tmp_path, office.clock, told) as found:
        parts: dict[str, Any] = {"visits": found.visits, "machine": Fakery(), "configuration": Configured()}
        parts["supplier"] = PlayedSupplier(office.clock)
        office.desk = dataclasses.replace(office.desk, **parts)
        store = with_reviews(office, tmp_path)
        store.keeps_open = True
        store.ask(question(1, office.clock()))
        recorded(office, tmp_path)
        yield store


def session(office: Office) -> tuple[str, str]:
    """Return the cookie of a manager, and the token of their commands."""
    browser = office.signed_in(Role.MANAGER)
    cookie = browser.cookies[SESSION_COOKIE]
    return cookie, browser.get("/v1/desk/me").json()["csrf"]


def answers_of(office: Office, examples: int, *, coverage: bool) -> tuple[set[tuple[str, int]], list[str]]:
    """Let schemathesis call all there is; return what was answered, and what of it the document does not say."""
    office.desk.access.add_operator("operator-1", PASSWORD, frozenset({"operator"}), office.clock())  # type: ignore[arg-type]
    cookie, token = session(office)
    app = create_app(office.desk)
    config = SchemathesisConfig.from_dict(
        {
            "headers": {CSRF_HEADER: token},
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
            "phases": {"coverage": {"enabled": coverage}, "fuzzing": {"enabled": True}, "stateful": {"enabled": False}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": REFUSALS},
                # a token that is missing or wrong is 403, whatever else is wrong
                "negative_data_rejection": {"expected-statuses": ["4xx"]},
                "missing_required_header": {"expected-statuses": ["4xx"]},
                "ignored_auth": {"enabled": False},
                "unsupported_method": {"enabled": False},
            },
        }
    )
    schema = schemathesis.openapi.from_dict(app.openapi(), config=config)
    schema.app = app
    numbers = iter(range(10**9))

    def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
        case.cookies = {SESSION_COOKIE: cookie}
        for name, known in KNOWN.items():
            is_own = name == "login"  # whoever asks must not be signed out
            if case.path_parameters and name in case.path_parameters and (is_own or next(numbers) % 3):
                case.path_parameters[name] = known[next(numbers) % len(known)]

    schemathesis.hook(before_call)
    try:
        found = list(from_schema(schema).execute())
    finally:
        hooks.unregister(before_call)
    return told(found)


def told(found: list[Any]) -> tuple[set[tuple[str, int]], list[str]]:
    answers: set[tuple[str, int]] = set()
    wrong: list[str] = []
    for event in found:
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        recorder = getattr(event, "recorder", None)
        for case_id, checks in ({} if recorder is None else recorder.checks).items():
            case, interaction = recorder.cases[case_id].value, recorder.interactions[case_id]
            body = "" if interaction.response is None else interaction.response.content[:300].decode(errors="replace")
            failed = [check.failure_info.failure for check in checks if check.status is Status.FAILURE]
            wrong += [f"{case.operation.label}: {each.title}: {each.message}: {body}" for each in failed]
            is_good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
            if is_good and "urn:tillfree:bad-request" in body:
                wrong.append(f"{case.operation.label}: valid by the document, and refused: {body}")
            if interaction.response is not None:
                answers.add((case.operation.label, interaction.response.status_code))
    return answers, wrong


def operations(office: Office) -> set[str]:
    paths = create_app(office.desk).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def test_answers_are_those_of_the_document(office: Office, whole: Store) -> None:
    answers, wrong = answers_of(office, 2, coverage=False)
    assert wrong == []
    assert {label for label, _ in answers} == operations(office)
    assert {status for _, status in answers if status >= 500} == set()


@pytest.mark.slow
def test_many_answers_are_those_of_the_document(office: Office, whole: Store) -> None:
    answers, wrong = answers_of(office, 60, coverage=True)
    assert wrong == []
    assert {status for _, status in answers if status >= 500} == set()
