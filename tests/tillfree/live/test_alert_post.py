"""Alerts arrive: by a real HTTP server and a real SMTP server, after troubles, and never in the store's way."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from billing.errors import DeliveryError, DeliveryRefused
from billing.policy import MailPolicy
from billing.webhooks import verify
from store_layout.errors import InputError
from tests.tillfree.live.alert_rig import (
    SECRET,
    T0,
    Clock,
    Hook,
    MailServer,
    PlayedChannel,
    S,
    alerting,
    hooked,
    mailing,
    view,
)
from tillfree.live.alert_channels import Channel
from tillfree.live.alert_memory import AlertFile
from tillfree.live.alert_post import Alerts, Line, channels_of, try_channels
from tillfree.live.alert_settings import Alerting, Email, Kind
from tillfree.live.alerts import Message, News, Phase
from tillfree.live.hooks import Webhook
from tillfree.main import main

AWAY = DeliveryError("no answer within 10 s")
CLOSED = Message(T0, (News(Phase.BEGAN, Kind.OPENING, "closed", "the store is closed", T0),))


class Sent(Line):
    """A line, its channel and clock, and what was told to whoever looks after the store."""

    def __init__(self, *troubles: DeliveryError) -> None:
        self.channel, self.clock, self.told = PlayedChannel(troubles=list(troubles)), Clock(), []  # type: ignore[var-annotated]
        super().__init__(self.channel, self.clock, self.told.append, Random(7))

    def after(self, seconds: float) -> float:
        self.clock.now_ns += round(seconds * S)
        return self.round()


def test_a_message_goes_out_at_once() -> None:
    line = Sent()
    assert line.round() == 60.0
    line.put(CLOSED)
    assert line.round() == 0.0
    assert line.channel.sent == [CLOSED]
    assert (line.status().sent, line.status().waiting, line.status().words) == (1, 0, "")


def test_a_failed_message_is_tried_again_and_again_ever_later() -> None:
    line = Sent(*[AWAY] * 9)
    line.put(CLOSED)
    waits = [line.round()]
    for _ in range(8):
        assert line.after(waits[-1] - 0.1) == pytest.approx(0.1)
        assert line.channel.tries == len(waits)
        waits.append(line.after(0.1))
    assert 3 < waits[0] <= 5
    assert all(0.7 * 5 * 2**number <= wait <= 5 * 2**number for number, wait in enumerate(waits[:7]))
    assert waits[-1] <= 600
    assert line.status().words == "alerts do not arrive, played: no answer within 10 s (1 waiting, 0 lost)"
    line.after(waits[-1])
    assert (line.channel.sent, line.status().words) == ([CLOSED], "")
    assert line.told == [
        "alerts do not arrive, played: no answer within 10 s (1 waiting, 0 lost)",
        "alerts arrive again, played",
    ]
    line.channel.troubles.append(AWAY)
    line.put(CLOSED)
    assert line.round() <= 5  # waits begin anew


def test_what_is_refused_makes_room_for_the_next() -> None:
    line = Sent(DeliveryRefused("mail server said 550 nobody here"))
    line.put(CLOSED)
    line.put(Message(T0 + S, CLOSED.news))
    assert line.round() == 0.0
    assert (line.status().lost, line.status().waiting) == (1, 1)
    assert "550" in line.status().words
    line.round()
    assert [message.at_ns for message in line.channel.sent] == [T0 + S]
    assert line.status().words == ""


def test_what_waits_is_bounded_and_the_latest_stays() -> None:
    line = Sent()
    for number in range(60):
        line.put(Message(T0 + number, CLOSED.news))
    assert (line.status().waiting, line.status().lost) == (50, 10)
    line.round()
    assert line.channel.sent[0].at_ns == T0 + 10


def test_after_a_day_a_message_is_given_up() -> None:
    line = Sent(AWAY)
    line.put(CLOSED)
    line.round()
    assert line.after(25 * 3_600) == 60.0
    assert (line.channel.sent, line.status().lost) == ([], 1)


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    line = Sent(AWAY)
    line.put(CLOSED)
    line.round()
    line.after(-3_600)
    assert line.channel.sent == [CLOSED]


def eventually(is_so: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(500):
        if is_so():
            return
        waited.wait(0.02)
    raise AssertionError("it never came to that")


def test_a_channel_that_hangs_holds_up_neither_store_nor_the_others() -> None:
    hangs, well = PlayedChannel("hangs", goes_on=threading.Event()), PlayedChannel("well")
    alerts = Alerts(alerting(after_s=0, cool_down_s=0), (hangs, well), Clock(), lambda _told: None)
    alerts.start()
    for second in range(100):
        alerts.published(view(is_open=second % 2 == 0), T0 + second * S)
        eventually(lambda count=second: len(well.sent) == count)  # type: ignore[misc]
    assert hangs.sent == []
    assert alerts.status()[0].lost > 0
    assert hangs.goes_on is not None
    hangs.goes_on.set()
    alerts.stop()


def test_a_mistake_ends_a_thread_and_the_next_start_mends_it() -> None:
    told: list[str] = []
    channel = PlayedChannel(troubles=[ValueError("a secret")])  # type: ignore[list-item]
    alerts = Alerts(alerting(after_s=0), (channel,), Clock(), told.append)
    alerts.start()
    alerts.published(view(is_open=False), T0)
    eventually(lambda: bool(told))
    assert told[0].startswith("alerts: a mistake in Tillfree: ValueError")
    assert "secret" not in told[0]
    eventually(lambda: (alerts.start(), bool(channel.sent))[1])
    alerts.stop()


def test_a_restart_sends_what_waited_and_nothing_twice(tmp_path: Path) -> None:
    """Two ways, one of which takes nothing; the store ends, and starts again twice while it stays closed."""
    path = tmp_path / "alerts.json"

    def shop(well: PlayedChannel, ill: PlayedChannel) -> Alerts:
        return Alerts(alerting(after_s=0), (well, ill), Clock(), lambda _told: None, file=AlertFile(path))

    well, ill = PlayedChannel("well"), PlayedChannel("ill", troubles=[AWAY])
    alerts = shop(well, ill)
    alerts.start()
    alerts.published(view(is_open=False), T0)
    eventually(lambda: len(well.sent) == 1 and ill.tries == 1)
    alerts.stop()
    assert path.stat().st_mode & 0o777 == 0o600
    well, ill = PlayedChannel("well"), PlayedChannel("ill")
    alerts = shop(well, ill)
    alerts.start()
    alerts.published(view(is_open=False), T0 + 30 * S)
    eventually(lambda: [message.news for message in ill.sent] == [CLOSED.news])
    alerts.stop()
    again = PlayedChannel("ill")
    alerts = shop(well, again)
    alerts.start()
    alerts.published(view(is_open=False), T0 + 500 * S)
    alerts.published(view(), T0 + 501 * S)
    eventually(lambda: len(again.sent) == 1 and len(well.sent) == 1)
    alerts.stop()
    assert [news.phase for news in again.sent[0].news] == [Phase.OVER]


def test_alerts_go_out_where_the_disk_takes_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    channel = PlayedChannel()
    alerts = Alerts(
        alerting(after_s=0), (channel,), Clock(), told.append, file=AlertFile(tmp_path / "none" / "alerts.json")
    )
    alerts.start()
    alerts.published(view(is_open=False), T0)
    eventually(lambda: bool(channel.sent))
    alerts.stop()
    assert told == ["a restart will tell again what is wrong: No such file or directory"]


def test_a_file_that_does_not_say_what_was_told(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text("{}x", encoding="utf-8")
    with pytest.raises(InputError, match="does not say what was told"):
        Alerts(alerting(), (), Clock(), lambda _told: None, file=AlertFile(tmp_path / "alerts.json"))


def test_a_webhook_is_signed() -> None:
    with hooked() as hook:
        (channel,) = channels_of(Alerting(alerting().entry, Webhook(hook.url, SECRET)), "Käse & Co")
        channel.send(CLOSED, T0, 5)
        headers, body = hook.posts[0]
    assert verify(SECRET, headers, body, T0 + 60 * S) == json.loads(body)["id"] == f"alert_{T0}"
    assert json.loads(body)["store"] == "Käse & Co"
    assert "the store is closed" in json.loads(body)["text"]


@pytest.mark.parametrize(("status", "kind"), [(500, DeliveryError), (302, DeliveryError), (410, DeliveryRefused)])
def test_what_a_webhook_answers(status: int, kind: type[DeliveryError]) -> None:
    with hooked() as hook:
        hook.status = status
        (channel,) = channels_of(Alerting(alerting().entry, Webhook(hook.url, SECRET)), "shop")
        with pytest.raises(DeliveryError, match=str(status)) as caught:
            channel.send(CLOSED, T0, 5)
    assert type(caught.value) is kind


def test_secrets_are_not_shown() -> None:
    told = Alerting(
        alerting().entry, Webhook("http://127.0.0.1:1/very-secret-path", SECRET), email(MailServer(1), "hunter2")
    )
    shown = repr(told)
    for channel, problem in try_channels(channels_of(told, "shop"), T0):
        assert problem
        shown += channel + problem
    for secret in (SECRET, "very-secret-path", "hunter2"):
        assert secret not in shown


def email(server: MailServer, password: str | None = None) -> Email:
    policy = MailPolicy(host="127.0.0.1", port=server.port, security="none", sender="store@shop.example")
    return Email(policy, ("ann@shop.example", "ben@shop.example"), password)


def mail_channel(server: MailServer, store: str = "Käse & Co") -> Channel:
    (channel,) = channels_of(Alerting(alerting().entry, None, email(server)), store)
    return channel


def test_a_mail_says_it_in_plain_text() -> None:
    with mailing() as server:
        mail_channel(server).send(CLOSED, T0, 5)
        ((to, raw),) = server.mails
    mail: Any = message_from_bytes(raw, policy=default)
    assert to == ["ann@shop.example", "ben@shop.example"]
    assert mail["From"] == "Käse & Co <store@shop.example>"
    assert mail["Subject"] == "Käse & Co: the store is closed"
    assert mail["Message-ID"] == f"<alert_{T0}@shop.example>"
    assert mail["Date"].datetime == dt.datetime.fromtimestamp(T0 // S, dt.UTC)
    assert mail.get_content_type() == "text/plain"
    assert "- the store is closed (since 2027-01-15 08:00:00 UTC)" in mail.get_content()


def test_a_stores_name_makes_no_header() -> None:
    with mailing() as server:
        mail_channel(server, "shop\r\nBcc: eve@example.org").send(CLOSED, T0, 5)
        ((to, raw),) = server.mails
    assert to == ["ann@shop.example", "ben@shop.example"]
    assert message_from_bytes(raw, policy=default)["Bcc"] is None


def test_a_mail_that_nobody_takes() -> None:
    with mailing() as server:
        server.rcpt = "550 nobody here"
        with pytest.raises(DeliveryRefused, match="550 nobody here"):
            mail_channel(server).send(CLOSED, T0, 5)
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        mail_channel(server).send(CLOSED, T0, 5)


@pytest.fixture
def write_store(tmp_path: Path, write_tiny_recording: Any) -> Callable[..., Path]:
    folder = Path(write_tiny_recording(tmp_path / "shop", ("cam_a",)))

    def write(**alerts: object) -> Path:
        document = {"version": 1, "layout": "layout.yaml", "cameras": [{"id": "cam_a", "source": "usb:0"}]}
        file = folder / "store.yaml"
        file.write_text(yaml.safe_dump(document | ({"alerts": alerts} if alerts else {})), encoding="utf-8")
        return file

    return write


def test_the_command_tries_everybody(
    write_store: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    with hooked() as hook, mailing() as server:
        smtp = {"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "s@shop.example"}
        told = {"webhook": {"url": hook.url, "secret_env": "HOOK"}, "email": {**smtp, "to": ["ann@shop.example"]}}
        file = write_store(**told)
        assert main(["alerts", "test", str(file)]) == 0
        assert capsys.readouterr().out == "webhook to 127.0.0.1: taken\ne-mail by 127.0.0.1: taken\n"
        assert "A test. Nothing is wrong." in json.loads(hook.posts[0][1])["text"]
        assert b"A test. Nothing is wrong." in server.mails[0][1]
        hook.status = 503
        assert main(["alerts", "test", str(file)]) == 5
        said = capsys.readouterr()
    assert "webhook to 127.0.0.1: HTTP 503" in said.out
    assert "not delivered: webhook to 127.0.0.1" in said.err
    assert "very-secret-path" not in said.out + said.err


def test_the_command_says_where_nobody_is_told(write_store: Callable[..., Path], capsys: Any) -> None:
    assert main(["alerts", "test", str(write_store())]) == 2
    assert "alerts: says nobody who is told" in capsys.readouterr().err


def test_a_secret_is_made(capsys: Any) -> None:
    assert main(["alerts", "secret"]) == 0
    made = capsys.readouterr().out.strip()
    hook = Hook()
    assert channels_of(Alerting(alerting().entry, Webhook(hook.url, made)), "shop")
    assert made.startswith("whsec_")
