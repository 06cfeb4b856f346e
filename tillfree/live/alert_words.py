"""Alerts in words, and as what programs read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from billing.http.times import rfc3339
from store_layout.model import Strict
from tillfree.live.alerts import Message, News, Phase, lasting

_S = 1_000_000_000
_HEADS = {
    Phase.BEGAN: "Wrong now",
    Phase.HAPPENED: "Happened",
    Phase.PASSED: "Came and went",
    Phase.OVER: "Over",
}
TYPE = "store.alert"
TEST_TYPE = "store.alert_test"


class NewsModel(Strict):
    """A line of an alert; times as RFC 3339 in UTC."""

    phase: Phase
    kind: str
    key: str
    words: str
    since: str
    until: str | None
    times: int

    @classmethod
    def of(cls, news: News) -> NewsModel:
        """Return news as programs read them."""
        until = None if news.until_ns is None else rfc3339(news.until_ns)
        return cls(
            phase=news.phase,
            kind=news.kind,
            key=news.key,
            words=news.words,
            since=rfc3339(news.since_ns),
            until=until,
            times=news.times,
        )


class AlertModel(Strict):
    """The body of a webhook. ``text`` says all of it in words."""

    id: str
    type: str
    at: str
    store: str
    text: str
    news: tuple[NewsModel, ...]
    standing: tuple[NewsModel, ...]


def title_of(message: Message, store: str) -> str:
    """Return a message in one line."""
    began = [each for each in message.news if each.phase is not Phase.OVER]
    first = began or list(message.news)
    if not first:
        return one_line(f"{store}: a test")
    more = f", and {len(first) - 1} more" if len(first) > 1 else ""
    over = "" if began else ("over: " if message.standing else "well again: ")
    return one_line(f"{store}: {over}{first[0].words}{more}")


def text_of(message: Message, store: str, zone: dt.tzinfo = dt.UTC) -> str:
    """Return a message in words. Times are in ``zone``."""
    return "\n".join(_lines(message, store, zone)) + "\n"


def body_of(message: Message, message_id: str, store: str, zone: dt.tzinfo = dt.UTC) -> bytes:
    """Return a message as the body of a webhook."""
    return (
        AlertModel(
            id=message_id,
            type=TYPE if message.news else TEST_TYPE,
            at=rfc3339(message.at_ns),
            store=store,
            text=text_of(message, store, zone),
            news=tuple(NewsModel.of(each) for each in message.news),
            standing=tuple(NewsModel.of(each) for each in message.standing),
        )
        .model_dump_json()
        .encode()
    )


def one_line(text: str) -> str:
    """Return a text as a header can have it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _lines(message: Message, store: str, zone: dt.tzinfo) -> Iterator[str]:
    yield f"{store}, {_moment(message.at_ns, zone)}"
    if not message.news:
        yield ""
        yield "A test. Nothing is wrong."
    for phase, head in _HEADS.items():
        yield from _part(head, (each for each in message.news if each.phase is phase), zone)
    yield from _part("Still wrong", message.standing, zone)
    if message.news and not message.standing and all(each.phase is Phase.OVER for each in message.news):
        yield ""
        yield "Nothing else is wrong."


def _part(head: str, news: Iterable[News], zone: dt.tzinfo) -> Iterator[str]:
    told = list(news)
    if told:
        yield ""
        yield f"{head}:"
        yield from (f"- {one_line(each.words)} ({_when(each, zone)})" for each in told)


def _when(news: News, zone: dt.tzinfo) -> str:
    since = _moment(news.since_ns, zone)
    match news.phase:
        case Phase.BEGAN:
            again = f"; it came and went {_often(news.times - 1)} since it was told last" if news.times > 1 else ""
            return f"since {since}{again}"
        case Phase.OVER:
            return f"after {lasting((news.until_ns or news.since_ns) - news.since_ns)}"
        case Phase.PASSED:
            return f"{_often(news.times)} since it was told last, first at {since}"
        case Phase.HAPPENED:
            return since if news.times == 1 else f"{_often(news.times)}, first at {since}"


def _often(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


def _moment(at_ns: int, zone: dt.tzinfo) -> str:
    return f"{dt.datetime.fromtimestamp(at_ns // _S, zone):%Y-%m-%d %H:%M:%S %Z}"
