"""Signatures that others make and believe too, addresses that are refused, and httpx as the sender."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import DeliveryError, EndpointError, SignatureError
from billing.httpx_sender import HttpxSender
from billing.webhooks import check_url, new_secret, signed_headers, verify
from tests.billing.local_tls import local_tls

S = 10**9
NOW_S = 1_795_366_746
NOW = NOW_S * S
SECRET = new_secret(bytes(range(32)))
BODY = '{"type":"charge.paid","data":{"name":"Käse"}}'.encode()


class FixedTime(datetime):
    """The independent library asks the system for the time; this stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> FixedTime:
        return cls.fromtimestamp(NOW_S, tz)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> standardwebhooks.Webhook:
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", FixedTime)
    return standardwebhooks.Webhook(SECRET)


def test_the_independent_library_believes_us(theirs: standardwebhooks.Webhook) -> None:
    assert theirs.verify(BODY, signed_headers(SECRET, "evt_7", NOW, BODY)) == json.loads(BODY)
    with pytest.raises(standardwebhooks.WebhookVerificationError, match="No matching signature"):
        theirs.verify(BODY + b" ", signed_headers(SECRET, "evt_7", NOW, BODY))
    with pytest.raises(standardwebhooks.WebhookVerificationError, match="too old"):
        theirs.verify(BODY, signed_headers(SECRET, "evt_7", NOW - 301 * S, BODY))


def test_we_believe_the_independent_library(theirs: standardwebhooks.Webhook) -> None:
    signature = theirs.sign("msg_1", datetime.fromtimestamp(NOW_S, UTC), BODY.decode())
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW_S), "Webhook-Signature": signature}
    assert verify(SECRET, headers, BODY, NOW) == "msg_1"
    with pytest.raises(SignatureError, match="msg_1: no signature is over this body"):
        verify(SECRET, headers, BODY + b" ", NOW)


def test_what_the_specification_prints_is_signed_so() -> None:
    """The example of the scheme's own libraries, in their README and tests."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330 * S, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(max_size=200), st.integers(0, 2**36), st.binary(min_size=24, max_size=64))
def test_what_is_signed_is_believed(body: bytes, at_s: int, key: bytes) -> None:
    secret = new_secret(key)
    headers = signed_headers(secret, "evt_1", at_s * S + 999_999_999, body)
    assert verify(secret, headers, body, at_s * S, 0) == "evt_1"


@given(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=60))
def test_any_other_header_is_not_believed(name: str, value: str) -> None:
    headers = signed_headers(SECRET, "evt_1", NOW, BODY)
    if value != headers[name]:
        with pytest.raises(SignatureError):
            verify(SECRET, {**headers, name: value}, BODY, NOW)


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed_headers(SECRET, "evt_1", NOW, BODY)
    right = headers["webhook-signature"]
    wrong = "v1," + base64.b64encode(bytes(32)).decode()
    several = f"v1a,AAAA {wrong} v1,*** v1 {right}"
    assert verify(SECRET, {**headers, "webhook-signature": several}, BODY, NOW) == "evt_1"
    only_wrong = {**headers, "webhook-signature": f"{wrong} v1a{right[2:]}"}
    with pytest.raises(SignatureError, match="no signature is over"):
        verify(SECRET, only_wrong, BODY, NOW)


@pytest.mark.parametrize("off_s", [-301, 301])
def test_what_was_signed_too_far_from_now_is_not_believed(off_s: int) -> None:
    headers = signed_headers(SECRET, "evt_1", NOW, BODY)
    assert verify(SECRET, headers, BODY, NOW + (off_s // abs(off_s)) * 300 * S) == "evt_1"
    with pytest.raises(SignatureError, match="signed 301 s away from now, at most 300 s are allowed"):
        verify(SECRET, headers, BODY, NOW + off_s * S)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_is_named(name: str) -> None:
    headers = signed_headers(SECRET, "evt_1", NOW, BODY)
    del headers[name]
    with pytest.raises(SignatureError, match=f"header {name} is missing"):
        verify(SECRET, headers, BODY, NOW)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_" + "A" * 31, "whsec_äöü", "whsec_QUFB", SECRET.removeprefix("whsec_"), f"{SECRET} "],
)
def test_malformed_secrets_are_refused(secret: str) -> None:
    with pytest.raises(SignatureError, match="secret: must be whsec_ and base64"):
        signed_headers(secret, "evt_1", NOW, BODY)


def test_secrets_are_long_and_differ() -> None:
    secrets = {new_secret() for _ in range(20)}
    assert len(secrets) == 20
    assert {len(base64.b64decode(each.removeprefix("whsec_"))) for each in secrets} == {32}


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "HTTPS://Shop.example:8443/a/b?c=d",
        "http://localhost:8000/hook",
        "http://127.0.0.1/",
        "http://127.9.9.9/",
        "http://[::1]:80/",
    ],
)
def test_addresses_that_may_be_told(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/", "must be https; http goes to this machine alone"),
        ("http://10.0.0.1/", "must be https"),
        ("http://169.254.169.254/latest/meta-data", "must be https"),
        ("http://[::ffff:10.0.0.1]/", "must be https"),
        ("http://localhost.shop.example/", "must be https"),
        ("http://2130706433/", "must be https"),
        ("http://0.0.0.0/", "must be https"),
        ("ftp://shop.example/", "must be https"),
        ("file:///etc/passwd", "has no host"),
        ("mail:receipts", "has no host"),
        ("shop.example/hook", "has no host"),
        ("https:///hook", "has no host"),
        ("https://user:word@shop.example/", "no user or password"),
        ("https://localhost@shop.example/", "no user or password"),
        ("https://shop.example/#part", "no fragment"),
        ("https://shop.example:99999/", "Port out of range"),
        ("https://[::1/", "Invalid IPv6 URL"),
        ("https://shop.example/a b", "letters of RFC 3986"),
        ("https://shop.example\\@evil.example/", "letters of RFC 3986"),
        ("https://shop.example/\r\nhost: x", "letters of RFC 3986"),
        ("https://käse.example/", "letters of RFC 3986"),
        ("https://shop.example/" + "a" * 2_048, "at most 2048"),
        ("", "letters of RFC 3986"),
    ],
)
def test_addresses_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(EndpointError, match=f"^url: .*{why}"):
        check_url(url)


@contextmanager
def answering(handle: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a server on this machine that does ``handle`` with one connection; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    handle(context.wrap_socket(connection, server_side=True) if context else connection)
                except OSError:
                    return  # the client left

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(30)


class Keeper:
    """Reads a request and gives an answer."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.request = answer, b""

    def __call__(self, connection: socket.socket) -> None:
        while not self.request.endswith(BODY):
            self.request += connection.recv(4_096)
        connection.sendall(self.answer)
        connection.close()


def test_httpx_posts_what_it_is_given_and_returns_the_status() -> None:
    keeper = Keeper(b"HTTP/1.1 204 No Content\r\n\r\n")
    with answering(keeper) as port:
        headers = signed_headers(SECRET, "evt_1", NOW, BODY)
        assert HttpxSender().post(f"http://127.0.0.1:{port}/hook?x=1", headers, BODY, 30) == 204
    head, _, body = keeper.request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?x=1 HTTP/1.1"
    got = dict(line.split(": ", 1) for line in lines[1:])
    assert verify(SECRET, got, body, NOW) == "evt_1"
    assert (got["content-type"], got["user-agent"]) == ("application/json", "tillfree-webhooks")


def test_httpx_follows_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # the system's proxy is not asked either
    with answering(Keeper(b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")) as port:
        assert HttpxSender().post(f"http://127.0.0.1:{port}/", {}, BODY, 30) == 307


def test_httpx_does_not_read_the_answers_body() -> None:
    with answering(Keeper(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\nnever the rest")) as port:
        assert HttpxSender().post(f"http://127.0.0.1:{port}/", {}, BODY, 30) == 200


def silent(connection: socket.socket) -> None:
    while connection.recv(4_096):
        pass


def dripping(connection: socket.socket) -> None:
    """Answer for ever, often enough for any limit on a single read."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    connection.settimeout(0.01)
    while True:
        try:
            if not connection.recv(4_096):
                return
        except TimeoutError:
            connection.sendall(b"a: b\r\n")


@pytest.mark.parametrize("server", [silent, dripping])
def test_httpx_waits_no_longer_than_told(server: Callable[[socket.socket], None]) -> None:
    with answering(server) as port, pytest.raises(DeliveryError, match=r"no answer within 0\.2 s"):
        HttpxSender().post(f"http://127.0.0.1:{port}/", {}, BODY, 0.2)


def test_httpx_tells_every_other_trouble_as_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    for url in (f"http://127.0.0.1:{free}/", f"https://{'a' * 64}.example/", "https://tillfree.invalid/"):
        with pytest.raises(DeliveryError):
            HttpxSender().post(url, {}, BODY, 30)
    with answering(Keeper(b"SMTP ready\r\n")) as port, pytest.raises(DeliveryError, match="RemoteProtocolError"):
        HttpxSender().post(f"http://127.0.0.1:{port}/", {}, BODY, 30)


def test_httpx_sends_nothing_to_whom_it_does_not_trust(tmp_path: Path) -> None:
    for_server, for_client = local_tls(tmp_path)
    keeper = Keeper(b"HTTP/1.1 200 OK\r\n\r\n")
    with answering(keeper, for_server) as port, pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
        HttpxSender().post(f"https://localhost:{port}/", {}, BODY, 30)
    assert keeper.request == b""
    with answering(keeper, for_server) as port:
        assert HttpxSender(context=for_client).post(f"https://localhost:{port}/", {}, BODY, 30) == 200
