"""Who calls, what they may, and that what they ask for is done once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from billing.access import Access, Principal, RateLimiter, Scope
from billing.errors import AccessDenied, BillingError, NotKnown
from billing.http.metrics import Metrics
from billing.http.problems import TooManyRequests, status_of
from billing.inbox import Answer, Inbox, Incoming
from billing.outbox import Outbox
from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.store import BillingStore

_BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="A client's key, or an operator's session.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


@dataclass(frozen=True, slots=True)
class GatewayNews:
    """What a webhook told: which request of ours is worth asking about, None for nothing of ours."""

    news_id: str
    topic: str
    key: str | None


NewsReader = Callable[[bytes, str, int], GatewayNews]
"""Takes body, signature and the time in Unix nanoseconds; raises WebhookError for what the gateway did not sign."""

Clock = Callable[[], int]
"""Gives the Unix time in nanoseconds."""

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="of the caller's choice, such as a UUID: the same call with the same key is done once",
    ),
]

_MOST_SUBJECT = 300
"""Characters of a path that the audit log keeps: paths that mean something are shorter."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; ``limiter`` is for those who are known, ``strangers`` for those who are not."""

    service: BillingService
    store: BillingStore
    access: Access
    inbox: Inbox
    clock: Clock
    limiter: RateLimiter
    strangers: RateLimiter
    metrics: Metrics
    news: NewsReader | None = None
    shoppers: Shoppers | None = None
    outbox: Outbox | None = None


def parts_of(request: Request) -> Parts:
    """Return what the app was made with."""
    parts: Parts = request.app.state.parts
    return parts


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may read."""

    parts: Parts
    who: Principal
    at_ns: int


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody who wants something done."""

    parts: Parts
    who: Principal
    incoming: Incoming

    def run(
        self,
        operation: Callable[[BillingService, int], BaseModel],
        status: int = 200,
        *,
        looks_first: bool = True,
    ) -> Response:
        """Do it once, as of when it first came; the same call with the same key again gets the same answer, marked ``Idempotent-Replayed``.

        ``looks_first`` is that of ``Inbox.handle``.
        """

        def work(store: BillingStore, at_ns: int) -> Answer:
            return Answer(status, operation(self.parts.service.on(store), at_ns).model_dump_json())

        try:
            answer, is_known = self.parts.inbox.handle(self.incoming, work, looks_first=looks_first)
        except BillingError as error:
            self.parts.inbox.told(self.incoming, status_of(error), str(error))
            raise
        more = {"Idempotent-Replayed": "true"} if is_known else {}
        return Response(answer.body, answer.status, more, "application/json")


async def _known(request: Request, credentials: Credentials) -> Principal:
    """Return who calls. Raises NotKnown, or TooManyRequests."""
    parts = parts_of(request)
    at_ns = parts.clock()
    if credentials is None:
        raise NotKnown("send a key as Authorization: Bearer")
    who = parts.access.remembered(credentials.credentials, at_ns)
    if who is None:
        who = await run_in_threadpool(parts.access.who, credentials.credentials, at_ns)
    wait_s = parts.limiter.wait_s(who.asker, at_ns)
    if wait_s > 0:
        raise TooManyRequests(wait_s)
    return who


def reads(*scopes: Scope) -> Callable[..., Reader]:
    """Return a dependency: the caller holds one of ``scopes``."""

    def reader(request: Request, who: Annotated[Principal, Depends(_known)]) -> Reader:
        parts, incoming = parts_of(request), _incoming(request, who, "", "")
        _allow(parts, who, incoming, scopes)
        return Reader(parts, who, incoming.at_ns)

    return reader


def changes(*scopes: Scope) -> Callable[..., Awaitable[Call]]:
    """Return a dependency: the caller holds one of ``scopes`` and wants something done, once per ``Idempotency-Key``."""

    async def call(request: Request, who: Annotated[Principal, Depends(_known)], key: Key) -> Call:
        parts, path = parts_of(request), request.url.path
        body = await request.body()
        condition = request.headers.get("if-match", "")
        asked = f"{request.method} {path}\n{condition}\n".encode(errors="replace")
        incoming = _incoming(request, who, key, hashlib.sha256(asked + body).hexdigest())
        if not who.scopes.intersection(scopes):
            await run_in_threadpool(_allow, parts, who, incoming, scopes)
        return Call(parts, who, incoming)

    return call


def _incoming(request: Request, who: Principal, key: str, digest: str) -> Incoming:
    """Return what is asked, as the audit log names it; a path may hold what no database keeps."""
    route = getattr(request.scope.get("route"), "path", "unknown")
    subject = request.url.path[:_MOST_SUBJECT].replace("\x00", "\ufffd")
    return Incoming(who.asker, key, digest, f"{request.method} {route}", subject, parts_of(request).clock())


def _allow(parts: Parts, who: Principal, incoming: Incoming, scopes: tuple[Scope, ...]) -> None:
    """Let those through who hold one of ``scopes``; write down who was not. Raises AccessDenied."""
    try:
        who.needs(*scopes)
    except AccessDenied as error:
        parts.inbox.told(incoming, status_of(error), str(error))
        raise
