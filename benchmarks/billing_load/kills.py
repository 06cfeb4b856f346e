"""A billing service that is killed with SIGKILL again and again under load, and what must be true afterwards.

Clients ask, and ask again by the same idempotency key until they are answered; the service is killed at moments that a
seed draws: after so many answers, and some milliseconds more. Nothing is simulated: it is ``tillfree billing serve`` with
its database and the sandbox's journal on disk. The operating system lives on, so this says nothing about a power cut.
"""

from __future__ import annotations

import http.client
import itertools
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.billing_load.client import Call, Client, refund_call, visit_calls
from benchmarks.billing_load.processes import ServerError, ServiceProcess, free_port
from benchmarks.billing_load.shop import CURRENCY, cart, total_minor, write_prices
from billing.access import Access, Scope
from billing.db.tables import REQUESTS
from billing.gateway import GatewayAnswer, SandboxGateway
from billing.reconcile import differences
from billing.store import BillingStore
from billing.types import PaymentAction, PaymentState
from tillfree.system import system_clock

CLIENTS = 6
REFUNDED = 0.3
"""Share of visits that are given back, in part or whole."""
ANSWERS_BETWEEN = (5, 30)
"""Answers from one start to the next kill."""
MOST_MS_MORE = 30.0
"""A call takes about that long, so the kill falls anywhere into one."""
ANSWERED_WITHIN_S = 120.0
_AWAY = (502, 503, 504)
_VISIT = re.compile(r"visit-\d+-\d{5}")


@dataclass
class Outcome:
    """What was asked and answered, and everything that is wrong; nothing is, if all is well."""

    kills: int = 0
    retries: int = 0
    carts: dict[str, dict[str, int]] = field(default_factory=dict)
    given_back_minor: Counter[str] = field(default_factory=Counter)
    answers: dict[str, tuple[Call, int, dict[str, Any]]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Killing:
    """One service, its clients, and who kills it."""

    def __init__(self, database: Path | str, place: Path, seed: int) -> None:
        self._database, self._journal = database, place / "sandbox.jsonl"
        self._service = ServiceProcess(
            database, write_prices(place / "prices.yaml"), self._journal, place / "service.log", free_port()
        )
        store = BillingStore(database)
        scopes = frozenset({Scope.GATE, Scope.VISION, Scope.OPERATOR})
        self._key = Access(store).add_client("machines", scopes, system_clock())
        store.close()
        self._rng, self._seed = random.Random(seed), seed
        self._up, self._over, self._heard = threading.Event(), threading.Event(), threading.Condition()
        self._pause = threading.Event().wait
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        """Kill the service ``kills`` times under load, let everybody be answered, and judge."""
        self._start()
        try:
            with ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(self._shop, number) for number in range(CLIENTS)]
                try:
                    for _ in range(kills):
                        self._kill(clients)
                finally:
                    self._over.set()
                    self._up.set()  # whoever waits for a service that did not come back goes on, and fails
                for client in clients:
                    client.result()
            self._ask_all_again()
        finally:
            self._service.stop()
        self._judge()
        return self.outcome

    def _start(self) -> None:
        self._service.start()
        self._up.set()

    def _kill(self, clients: list[Future[None]]) -> None:
        """Wait for some answers and a moment more, kill, and start anew."""
        enough = len(self.outcome.answers) + self._rng.randint(*ANSWERS_BETWEEN)
        with self._heard:
            if not self._heard.wait_for(lambda: len(self.outcome.answers) >= enough, ANSWERED_WITHIN_S):
                problems = [client.exception() for client in clients if client.done()]
                raise ServerError(f"too few answers within {ANSWERED_WITHIN_S:.0f} s; clients ended with {problems}")
        self._pause(self._rng.uniform(0.0, MOST_MS_MORE) / 1e3)
        self._up.clear()
        self._service.kill()
        self.outcome.kills += 1
        self._start()

    def _shop(self, number: int) -> None:
        """Make visits until it is over, each to its end."""
        client = Client(self._service.port, self._key, ANSWERED_WITHIN_S)
        for turn in itertools.count():
            if self._over.is_set():
                break
            for call in self._visit(f"visit-{number}-{turn:05d}"):
                status, answer = self._until_answered(client, call)
                call.check(status, answer)
                with self._heard:
                    self.outcome.answers[call.key] = call, status, answer
                    self._heard.notify_all()
        client.close()

    def _visit(self, visit_id: str) -> Iterator[Call]:
        rng = random.Random(f"{self._seed}-{visit_id}")
        taken = self.outcome.carts[visit_id] = cart(rng)
        yield from visit_calls(visit_id, taken)
        if rng.random() < REFUNDED:
            call = refund_call(visit_id, taken, rng)
            minor = call.expected["amount_minor"]
            assert isinstance(minor, int)
            self.outcome.given_back_minor[visit_id] = minor
            yield call

    def _until_answered(self, client: Client, call: Call) -> tuple[int, dict[str, Any]]:
        """Ask by the same key until there is an answer. Raises ServerError if there is none in time."""
        for _ in range(1_000):
            if not self._up.wait(ANSWERED_WITHIN_S):
                break
            try:
                status, answer = client.send(call)
            except (OSError, http.client.HTTPException):
                self.outcome.retries += 1
                continue
            if status not in _AWAY:
                return status, answer
            self.outcome.retries += 1
        raise ServerError(f"{call.method} {call.path} got no answer")

    def _ask_all_again(self) -> None:
        """Hold every answer that was given against what the last service says to the same call."""
        client = Client(self._service.port, self._key, ANSWERED_WITHIN_S)
        for call, status, answer in self.outcome.answers.values():
            now = client.send(call)
            if now != (status, answer):
                self.outcome.wrong.append(f"{call.method} {call.path} was answered {status} {answer}, and now {now}")
        for visit_id in self.outcome.carts:
            self._check_charge(client, visit_id)
        client.close()

    def _check_charge(self, client: Client, visit_id: str) -> None:
        """Hold the charges that the service shows against what was acknowledged."""
        _, _, finished = self.outcome.answers[f"finish-{visit_id}"]
        shown = client.get(f"/v1/visits/{visit_id}/charges")
        if shown.get("items") != [finished] or shown.get("owed_minor") != 0:
            self.outcome.wrong.append(f"{visit_id}: finished as {finished}, and now its charges are {shown}")

    def _judge(self) -> None:
        """Hold the books on disk against the gateway's journal and against what was asked for."""
        listing = SandboxGateway(journal=self._journal).listing()
        store = BillingStore(self._database)
        with store.reading() as books:
            payments, balances = books.all_payments(), books.balances()
            unanswered = books.connection.execute(
                select(func.count()).select_from(REQUESTS).where(REQUESTS.c.status.is_(None))
            ).scalar_one()
            receipts = {receipt.visit_id: receipt.total.minor for receipt in books.all_receipts()}
        store.close()
        wrong = self.outcome.wrong
        wrong += [f"{each.key}: {each.problem}" for each in differences(payments, listing)]
        wrong += [f"{unanswered} requests are written without an answer"] if unanswered else []
        wrong += [f"the ledger sums to {sum(balances.values())}: {balances}"] if sum(balances.values()) else []
        owed = balances.get(("receivable:shopper", CURRENCY), 0)
        wrong += [f"shoppers owe {owed}"] if owed else []
        totals = {visit_id: total_minor(taken) for visit_id, taken in self.outcome.carts.items()}
        wrong += _unequal("receipt", receipts, totals)
        wrong += _unequal("captured", _moved(listing, PaymentAction.CAPTURE, PaymentAction.CHARGE), totals)
        wrong += _unequal("refunded", _moved(listing, PaymentAction.REFUND), dict(self.outcome.given_back_minor))
        clearing = balances.get(("clearing:gateway", CURRENCY), 0)
        ours = sum(totals.values()) - sum(self.outcome.given_back_minor.values())
        wrong += [f"the ledger has {clearing} at the gateway, not {ours}"] if clearing != ours else []


def _moved(listing: tuple[GatewayAnswer, ...], *actions: PaymentAction) -> dict[str, int]:
    """Return what the gateway moved by visit, in minor units."""
    found: Counter[str] = Counter()
    for answer in listing:
        if answer.action in actions and answer.state is PaymentState.DONE:
            found[_visit_of(answer.key)] += answer.amount.minor
    return dict(found)


def _visit_of(key: str) -> str:
    """Return whose a payment is: its key holds the visit's id."""
    found = _VISIT.search(key)
    return key if found is None else found.group()


def _unequal(what: str, found: dict[str, int], wanted: dict[str, int]) -> list[str]:
    """Return which visits have another amount than they should, in minor units."""
    visits = sorted(found.keys() | wanted.keys())
    pairs = ((visit_id, found.get(visit_id, 0), wanted.get(visit_id, 0)) for visit_id in visits)
    return [f"{visit_id}: {what} {is_}, not {should}" for visit_id, is_, should in pairs if is_ != should]
