"""A Stripe of our own for tests: a real HTTP server on loopback with its own books, clock and troubles.

Written after Stripe's API reference and independent of the adapter: form encoding in, JSON out, idempotency keys with
replayed answers, lists in pages, a search that may be behind; customers, and Checkout Sessions that register cards.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

Trouble = Literal["ok", "500", "500_kept", "429", "409", "drop", "lost_answer", "wait"]
"""What happens to a POST in turn: ``drop``: hung up before it is done; ``lost_answer``: after; ``wait``: until ``go``; ``500_kept``: the error is
the key's answer from now on, as Stripe has it once it began with a request."""

STEP_S = 86_400
DECLINES = {"pm_broke": "insufficient_funds", "pm_stolen": "stolen_card", "pm_sca": "authentication_required"}
CARDS = {
    "4242424242424242": "visa",
    "5555555555554444": "mastercard",
    "4000000000000341": "visa",
    "4000002760003184": "visa",
}
"""Test cards that can be registered: https://docs.stripe.com/testing."""

CHARGED = {"4000000000000341": "card_declined", "4000002760003184": "authentication_required"}
"""Registered cards that refuse a payment off session."""


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


@dataclass
class FakeStripe:
    """The account: its objects, kept idempotent answers, and what shall go wrong. ``page`` bounds lists."""

    now_s: int = 1_700_000_000
    page: int = 100
    hold_s: int | None = 5 * STEP_S
    troubles: deque[Trouble] = field(default_factory=deque)
    search_is_behind: bool = False
    forgets: bool = False
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    kept: dict[str, tuple[str, list[tuple[str, str]], int, dict[str, Any]]] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    waiting: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def prune(self) -> None:
        """Forget all idempotency keys, as Stripe does after a day."""
        self.kept.clear()

    def taken(self) -> list[int]:
        """Return what was really taken, in Stripe's units: the other side's books."""
        return [each["amount_received"] for each in self.intents.values() if each["amount_received"]]

    def expire(self, intent_id: str) -> None:
        self.intents[intent_id] |= {"status": "canceled", "cancellation_reason": "expired", "amount_capturable": 0}

    def authenticate(self, intent_id: str) -> None:
        """Let the shopper confirm; one that was cancelled cannot be any more."""
        with self.lock:
            intent = self.intents[intent_id]
            if intent["status"] in ("requires_action", "requires_payment_method"):
                self._authorise(intent)

    def fill_in(self, session_id: str, number: str, month: int = 1, year: int = 2030) -> None:
        """Type a card into a hosted form. One that its bank refuses leaves the form open for another."""
        with self.lock:
            session = self.sessions[session_id]
            setup = session["setup_intent"]
            if session["status"] != "open":
                raise AssertionError(f"the form is {session['status']}")
            if number not in CARDS:
                error = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
                setup |= {"status": "requires_payment_method", "last_setup_error": error}
                return
            method_id = f"pm_registered{len(self.methods) + 1:06d}"
            card = {"brand": CARDS[number], "exp_month": month, "exp_year": year, "last4": number[-4:]}
            self.methods[method_id] = {
                "id": method_id,
                "object": "payment_method",
                "type": "card",
                "card": card,
                "customer": session["customer"],
            }
            self.numbers[method_id] = number
            setup |= {"status": "succeeded", "last_setup_error": None, "payment_method": method_id}
            session |= {"status": "complete", "url": None}

    def lapse(self, session_id: str) -> None:
        """Let a day pass over a hosted form."""
        with self.lock:
            session = self.sessions[session_id]
            session |= {"status": "expired", "url": None}
            session["setup_intent"]["status"] = "canceled"

    def fail(self, trouble: Trouble, path: str, form: list[tuple[str, str]], key: str | None) -> None:
        """Refuse a POST that shall fail, before anything is done."""
        if trouble in ("500", "500_kept", "429", "409"):
            refusal = Refusal(int(trouble[:3]), "api_error", "Trouble.")
            if trouble == "500_kept" and key is not None:
                self.kept[key] = (path, form, refusal.status, refusal.body)
            raise refusal

    def post(
        self, path: str, form: list[tuple[str, str]], key: str | None, trouble: Trouble
    ) -> tuple[int, dict[str, Any]]:
        """Do a POST once per idempotency key, and not twice at a time."""
        with self.lock:
            if key in self.busy:
                raise Refusal(
                    409, "invalid_request_error", "Another request uses this key.", code="idempotency_key_in_use"
                )
            if key is not None:
                self.busy.add(key)
        try:
            if trouble == "wait":
                self.waiting.set()
                assert self.go.wait(30)
            with self.lock:
                return self._once(path, form, key)
        finally:
            with self.lock:
                self.busy.discard(key or "")

    def _once(self, path: str, form: list[tuple[str, str]], key: str | None) -> tuple[int, dict[str, Any]]:
        if key is not None and key in self.kept:
            known_path, known_form, status, body = self.kept[key]
            if (known_path, known_form) != (path, form):
                raise Refusal(400, "idempotency_error", "Keys for idempotent requests can only be used once.")
            return status, body
        try:
            status, body = 200, self._do(path, _tree(form))
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        body = json.loads(json.dumps(body))
        # Stripe keeps no answer of a request whose parameters did not pass.
        if key is not None and status != 400 and not self.forgets:
            self.kept[key] = (path, form, status, body)
        return status, body

    def get(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """Answer a GET, in JSON's own copy."""
        with self.lock:
            match path.strip("/").split("/")[1:]:
                case ["payment_intents", "search"]:
                    return self._search(query["query"][0])
                case ["payment_intents"]:
                    return self._list(path, self.intents, query, "customer")
                case ["payment_intents", intent_id]:
                    return self._shown(self._intent(intent_id), "latest_charge" in str(query))
                case ["refunds"]:
                    return self._list(path, self.refunds, query, "payment_intent")
                case ["checkout", "sessions", session_id]:
                    return self._session_shown(_known(self.sessions, session_id), str(query))
                case ["payment_methods", method_id]:
                    return _known(self.methods, method_id)
        raise Refusal(404, "invalid_request_error", f"Unrecognized request URL (GET: {path}).")

    def _do(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        expands = bool(form.pop("expand", None))
        match path.strip("/").split("/")[1:]:
            case ["payment_intents"]:
                return self._shown(self._create(form), expands)
            case ["payment_intents", intent_id]:
                intent = self._intent(intent_id)
                intent["metadata"] |= _allowed(form, "metadata")["metadata"]
                return self._shown(intent, expands)
            case ["payment_intents", intent_id, "capture"]:
                return self._shown(self._capture(self._intent(intent_id), form), expands)
            case ["payment_intents", intent_id, "cancel"]:
                return self._shown(self._cancel(self._intent(intent_id), form), expands)
            case ["refunds"]:
                return self._refund(form)
            case ["customers"]:
                return self._customer(form)
            case ["checkout", "sessions"]:
                return self._session(form)
            case ["payment_methods", method_id, "detach"]:
                return self._detach(_known(self.methods, method_id), form)
        raise Refusal(404, "invalid_request_error", f"Unrecognized request URL (POST: {path}).")

    def _create(self, form: dict[str, Any]) -> dict[str, Any]:
        known = ("amount", "currency", "customer", "payment_method", "allowed_payment_method_types", "capture_method")
        _allowed(form, *known, "confirm", "off_session", "metadata")
        amount = int(form["amount"])
        if amount < 50 and form["currency"] == "eur":
            raise Refusal(400, "invalid_request_error", "Amount must be at least €0.50", code="amount_too_small")
        types = form["allowed_payment_method_types"]
        if form["confirm"] != "true" or form["off_session"] != "true" or types != {"0": "card"}:
            raise Refusal(400, "invalid_request_error", "This fake confirms cards off session only.")
        registered = self.methods.get(form["payment_method"])
        if registered is not None and registered["customer"] != form["customer"]:
            raise Refusal(400, "invalid_request_error", "The PaymentMethod does not belong to the Customer.")
        if len(form["metadata"]) > 50 or any(len(k) > 40 or len(v) > 500 for k, v in form["metadata"].items()):
            raise Refusal(400, "invalid_request_error", "Metadata is too long.")
        intent: dict[str, Any] = {
            "id": f"pi_{len(self.intents) + 1:06d}",
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "currency": form["currency"],
            "customer": form["customer"],
            "payment_method": form["payment_method"],
            "capture_method": form["capture_method"],
            "created": self.now_s,
            "metadata": dict(form["metadata"]),
            "status": "requires_confirmation",
            "last_payment_error": None,
            "latest_charge": None,
            "cancellation_reason": None,
        }
        self.intents[intent["id"]] = intent
        self._confirm(intent)
        return intent

    def _confirm(self, intent: dict[str, Any]) -> None:
        number = self.numbers.get(intent["payment_method"], "")
        code = DECLINES.get(intent["payment_method"]) or CHARGED.get(number)
        if intent["payment_method"] == "pm_asks":
            intent["status"] = "requires_action"
        elif intent["payment_method"] == "pm_slow":
            intent["status"] = "processing"
        elif code is not None:
            asks = code == "authentication_required"
            error = {"code": code if asks else "card_declined", "decline_code": code, "message": "Declined."}
            intent |= {"status": "requires_payment_method", "last_payment_error": {"type": "card_error", **error}}
            shown = self._shown(intent, expands=False)
            message = error.pop("message")
            raise Refusal(402, "card_error", message, payment_intent=shown, **error)
        else:
            self._authorise(intent)

    def _authorise(self, intent: dict[str, Any]) -> None:
        manual = intent["capture_method"] == "manual"
        card = {"capture_before": self.now_s + self.hold_s} if manual and self.hold_s else {}
        intent["latest_charge"] = {
            "id": intent["id"].replace("pi_", "ch_"),
            "object": "charge",
            "status": "succeeded",
            "captured": not manual,
            "payment_method_details": {"type": "card", "card": {"brand": "visa", **card}},
        }
        if manual:
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        else:
            intent |= {"status": "succeeded", "amount_received": intent["amount"]}

    def _capture(self, intent: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        _allowed(form, "amount_to_capture", "metadata")
        amount = int(form["amount_to_capture"])
        if intent["status"] != "requires_capture":
            raise Refusal(400, "invalid_request_error", "Wrong state.", code="payment_intent_unexpected_state")
        if amount > intent["amount_capturable"]:
            raise Refusal(400, "invalid_request_error", "More than is capturable.", code="amount_too_large")
        if intent["payment_method"] == "pm_gone":
            raise Refusal(400, "invalid_request_error", "Too late.", code="charge_expired_for_capture")
        intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
        intent["metadata"] |= form["metadata"]
        intent["latest_charge"]["captured"] = True
        return intent

    def _cancel(self, intent: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        _allowed(form, "cancellation_reason")
        if intent["status"] in ("processing", "succeeded", "canceled"):
            raise Refusal(400, "invalid_request_error", "Wrong state.", code="payment_intent_unexpected_state")
        reason = form.get("cancellation_reason")
        if reason not in (None, "abandoned", "duplicate", "fraudulent", "requested_by_customer"):
            raise Refusal(400, "invalid_request_error", f"Invalid cancellation_reason: {reason}")
        intent |= {"status": "canceled", "amount_capturable": 0, "cancellation_reason": reason}
        return intent

    def _refund(self, form: dict[str, Any]) -> dict[str, Any]:
        _allowed(form, "payment_intent", "amount", "metadata")
        intent, amount = self._intent(form["payment_intent"]), int(form["amount"])
        before = [each for each in self.refunds.values() if each["payment_intent"] == intent["id"]]
        left = intent["amount_received"] - sum(each["amount"] for each in before if each["status"] != "failed")
        if amount > left:
            raise Refusal(400, "invalid_request_error", "More than is left.", code="charge_already_refunded")
        status = {"pm_closed": "failed", "pm_later": "pending"}.get(intent["payment_method"], "succeeded")
        refund = {
            "id": f"re_{len(self.refunds) + 1:06d}",
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "created": self.now_s,
            "metadata": form["metadata"],
            "payment_intent": intent["id"],
            "status": status,
        }
        if status == "failed":
            refund["failure_reason"] = "lost_or_stolen_card"
        self.refunds[refund["id"]] = refund
        return refund

    def _customer(self, form: dict[str, Any]) -> dict[str, Any]:
        _allowed(form, "metadata")
        if any(len(name) > 40 or len(value) > 500 for name, value in form["metadata"].items()):
            raise Refusal(400, "invalid_request_error", "Metadata is too long.")
        customer = {"id": f"cus_{len(self.customers) + 1:06d}", "object": "customer", "metadata": form["metadata"]}
        self.customers[customer["id"]] = customer
        return customer

    def _session(self, form: dict[str, Any]) -> dict[str, Any]:
        _allowed(form, "mode", "customer", "allowed_payment_method_types", "success_url", "cancel_url")
        if form["mode"] != "setup" or form["allowed_payment_method_types"] != {"0": "card"}:
            raise Refusal(400, "invalid_request_error", "This fake registers cards only.")
        if not all(form[name].startswith(("http://", "https://")) for name in ("success_url", "cancel_url")):
            raise Refusal(400, "invalid_request_error", "Not a valid URL", code="url_invalid")
        number = len(self.sessions) + 1
        setup: dict[str, Any] = {
            "id": f"seti_{number:06d}",
            "object": "setup_intent",
            "status": "requires_payment_method",
        }
        session = {
            "id": f"cs_test_{number:06d}",
            "object": "checkout.session",
            "mode": "setup",
            "status": "open",
            "customer": _known(self.customers, form["customer"])["id"],
            "setup_intent": setup | {"payment_method": None, "last_setup_error": None},
            "url": f"https://checkout.stripe.com/c/pay/cs_test_{number:06d}",
        }
        self.sessions[str(session["id"])] = session
        return self._session_shown(session, "")

    def _session_shown(self, session: dict[str, Any], expands: str) -> dict[str, Any]:
        setup = session["setup_intent"]
        if "setup_intent" not in expands:
            return {**session, "setup_intent": setup["id"]}
        if "setup_intent.payment_method" in expands and setup["payment_method"] is not None:
            setup = {**setup, "payment_method": self.methods[setup["payment_method"]]}
        return {**session, "setup_intent": setup}

    def _detach(self, method: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        _allowed(form)
        if method["customer"] is None:
            message = "The payment method you provided is not attached to a customer so detachment is impossible."
            raise Refusal(400, "invalid_request_error", message)
        method["customer"] = None
        return method

    def _intent(self, intent_id: str) -> dict[str, Any]:
        return _known(self.intents, intent_id)

    def _shown(self, intent: dict[str, Any], expands: bool) -> dict[str, Any]:
        charge = intent["latest_charge"]
        return {**intent, "latest_charge": charge if expands or charge is None else charge["id"]}

    def _search(self, query: str) -> dict[str, Any]:
        found = re.fullmatch(r'-metadata\["(\w+)"\]:null', query)
        if found is None:
            raise Refusal(400, "invalid_request_error", f"We were unable to parse your search query {query!r}.")
        hits = [] if self.search_is_behind else [i for i in self.intents.values() if found[1] in i["metadata"]]
        # What search shows lags behind what is retrieved.
        shown = [{**self._shown(hit, expands=False), "status": "requires_confirmation"} for hit in hits]
        return {"object": "search_result", "url": "/v1/payment_intents/search", "has_more": False, "data": shown}

    def _list(
        self, path: str, objects: dict[str, dict[str, Any]], query: dict[str, list[str]], filtered: str
    ) -> dict[str, Any]:
        newest_first = list(reversed(objects.values()))
        if filtered in query:
            newest_first = [each for each in newest_first if each[filtered] == query[filtered][0]]
        since = int(query.get("created[gte]", ["0"])[0])
        newest_first = [each for each in newest_first if each["created"] >= since]
        if "starting_after" in query:
            ids = [each["id"] for each in newest_first]
            newest_first = newest_first[ids.index(query["starting_after"][0]) + 1 :]
        size = min(self.page, int(query.get("limit", ["10"])[0]))
        expands = "data.latest_charge" in str(query)
        data = [self._shown(each, expands) if "latest_charge" in each else each for each in newest_first[:size]]
        return {"object": "list", "url": path, "has_more": len(newest_first) > size, "data": data}


def _known(objects: dict[str, dict[str, Any]], object_id: str) -> dict[str, Any]:
    if object_id not in objects:
        raise Refusal(404, "invalid_request_error", f"No such object: '{object_id}'", code="resource_missing")
    return objects[object_id]


def _allowed(form: dict[str, Any], *names: str) -> dict[str, Any]:
    unknown = set(form) - set(names)
    if unknown:
        raise Refusal(400, "invalid_request_error", f"Received unknown parameters: {unknown}", code="parameter_unknown")
    return form


def _tree(form: list[tuple[str, str]]) -> dict[str, Any]:
    """Return ``a[b]=c`` as ``{a: {b: c}}``."""
    tree: dict[str, Any] = {}
    for name, value in form:
        outer, bracket, inner = name.partition("[")
        if bracket:
            tree.setdefault(outer, {})[inner.removesuffix("]")] = value
        else:
            tree[outer] = value
    return tree


def _handler(stripe: FakeStripe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            try:
                self._let_in()
                self._say(200, stripe.get(url.path, parse_qs(url.query)))
            except Refusal as refusal:
                self._say(refusal.status, refusal.body)

        def do_POST(self) -> None:
            path, key = urlsplit(self.path).path, self.headers.get("Idempotency-Key")
            form = parse_qsl(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
            trouble = stripe.troubles.popleft() if stripe.troubles else "ok"
            try:
                self._let_in()
                stripe.fail(trouble, path, form, key)
                status, body = (0, {}) if trouble == "drop" else stripe.post(path, form, key, trouble)
            except Refusal as refusal:
                status, body = refusal.status, refusal.body
            if trouble not in ("drop", "lost_answer"):
                self._say(status, body)

        def _let_in(self) -> None:
            if not self.headers.get("Authorization", "").startswith("Bearer sk_test_"):
                raise Refusal(401, "invalid_request_error", "Invalid API Key provided.")

        def _say(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler
