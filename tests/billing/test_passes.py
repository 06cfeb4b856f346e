"""Entry passes: what a gate takes, and that it takes nothing else."""

from __future__ import annotations

import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from billing.errors import (
    PassError,
    PassExpired,
    PassForged,
    PassFromFuture,
    PassInputError,
    PassKeyUnknown,
    PassMalformed,
)
from billing.passes import (
    NONCE_BYTES,
    EntryPass,
    PassKey,
    PassPolicy,
    PassPublicKey,
    Replays,
    check,
    issue,
    random_nonce,
)

S = 10**9
NOW_NS = 1_800_000_000 * S
POLICY = PassPolicy(valid_s=60, rotate_s=20, clock_tolerance_s=10)
KEY, OTHER = (PassKey(Ed25519PrivateKey.from_private_bytes(bytes([fill] * 32))) for fill in (1, 2))
KEYS = (OTHER.public(), KEY.public())
SHOPPER = uuid.UUID("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
NONCE = bytes(range(NONCE_BYTES))
PASS = issue(KEY, SHOPPER, NONCE, NOW_NS)
UNREAD = (PassMalformed, PassKeyUnknown, PassForged)

nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


def digits(number: int) -> str:
    """Write the bytes of a pass, as a number, as passes are written."""
    return str(number).zfill(len(PASS))


@given(st.uuids(), nonces, st.integers(0, 256**5 * S - 1))
def test_what_was_issued_is_read_back(shopper_id: uuid.UUID, nonce: bytes, at_ns: int) -> None:
    issued_at_ns = at_ns - at_ns % S
    found = check(issue(KEY, shopper_id, nonce, at_ns), KEYS, at_ns, POLICY)
    assert found == EntryPass(shopper_id, nonce, issued_at_ns, issued_at_ns + 60 * S)


@settings(deadline=None)
@given(st.integers(0, len(PASS) - 1), st.characters() | st.sampled_from("0123456789 _+-²٣"))
def test_no_character_can_be_changed(place: int, other: str) -> None:
    changed = PASS[:place] + other + PASS[place + 1 :]
    if changed != PASS:
        with pytest.raises(UNREAD):
            check(changed, KEYS, NOW_NS, POLICY)


def test_no_digit_can_be_changed_anywhere() -> None:
    for place, digit in enumerate(PASS):
        with pytest.raises(UNREAD):
            check(f"{PASS[:place]}{(int(digit) + 1) % 10}{PASS[place + 1 :]}", KEYS, NOW_NS, POLICY)


def test_no_bit_can_be_flipped() -> None:
    for bit in range(102 * 8):
        with pytest.raises(UNREAD):
            check(digits(int(PASS) ^ 1 << bit), KEYS, NOW_NS, POLICY)


@given(st.text(max_size=300) | st.text("0123456789", min_size=len(PASS), max_size=len(PASS)))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UNREAD):
        check(text, KEYS, NOW_NS, POLICY)


@pytest.mark.parametrize(
    "text", ["", PASS + "0", "0" + PASS, PASS[1:], f" {PASS}", f"{PASS}\n", "9" * len(PASS), str(256**102)]
)
def test_a_pass_is_written_in_one_way(text: str) -> None:
    with pytest.raises(PassMalformed):
        check(text, KEYS, NOW_NS, POLICY)


def test_another_format_is_not_read() -> None:
    with pytest.raises(PassMalformed, match="format 2, this gate reads 1"):
        check(digits(int(PASS) + 256**101), KEYS, NOW_NS, POLICY)


def test_valid_to_the_nanosecond() -> None:
    first_ns, end_ns = NOW_NS - 10 * S, NOW_NS + 60 * S
    for at_ns in (first_ns, end_ns - 1):
        assert check(PASS, KEYS, at_ns, POLICY).shopper_id == SHOPPER
    with pytest.raises(PassFromFuture, match="issued 11 s later"):
        check(PASS, KEYS, first_ns - 1, POLICY)
    with pytest.raises(PassExpired, match="issued 60 s ago and is valid for 60 s"):
        check(PASS, KEYS, end_ns, POLICY)


@given(st.integers(-100 * S, 100 * S), st.integers(22, 60), st.integers(0, 11))
def test_valid_exactly_within_its_times(off_ns: int, valid_s: int, tolerance_s: int) -> None:
    policy = PassPolicy(valid_s=valid_s, rotate_s=10, clock_tolerance_s=tolerance_s)
    try:
        check(PASS, KEYS, NOW_NS + off_ns, policy)
    except PassExpired:
        assert off_ns >= valid_s * S
    except PassFromFuture:
        assert off_ns < -tolerance_s * S
    else:
        assert -tolerance_s * S <= off_ns < valid_s * S


def test_a_forged_pass_is_not_called_expired() -> None:
    with pytest.raises(PassForged):
        check(digits(int(PASS) ^ 1), KEYS, NOW_NS + 10**6 * S, POLICY)


def test_keys_are_changed_without_closing_the_gate() -> None:
    late = issue(OTHER, SHOPPER, NONCE, NOW_NS)
    for keys, text in [(KEYS, PASS), (KEYS, late), (KEYS[:1], late), (KEYS[1:], PASS)]:
        assert check(text, keys, NOW_NS, POLICY).nonce == NONCE
    for keys, text in [(KEYS[:1], PASS), (KEYS[1:], late), ((), PASS)]:
        with pytest.raises(PassKeyUnknown, match=KEY.public().key_id if text is PASS else OTHER.public().key_id):
            check(text, keys, NOW_NS, POLICY)


def test_a_pass_that_names_another_key_is_forged() -> None:
    ours, theirs = (int(key.public().key_id, 16) << 97 * 8 for key in (KEY, OTHER))
    with pytest.raises(PassForged):
        check(digits(int(PASS) - ours + theirs), KEYS, NOW_NS, POLICY)


def test_what_else_the_key_signs_is_no_pass() -> None:
    """The signature is over a context too, so one over the bare bytes is not enough."""
    body = int(PASS).to_bytes(102)[:38]
    secret = Ed25519PrivateKey.generate()
    key = PassKey(secret)
    body = body[:1] + bytes.fromhex(key.public().key_id) + body[5:]
    for signature, is_good in [(secret.sign(body), False), (key.sign(body), True)]:
        text = digits(int.from_bytes(body + signature))
        if is_good:
            assert check(text, [key.public()], NOW_NS, POLICY).shopper_id == SHOPPER
        else:
            with pytest.raises(PassForged):
                check(text, [key.public()], NOW_NS, POLICY)


def test_keys_survive_being_written_down() -> None:
    assert issue(PassKey.load(KEY.dump()), SHOPPER, NONCE, NOW_NS) == PASS  # Ed25519 draws nothing
    public = PassPublicKey.load(KEY.public().dump())
    assert public.key_id == KEY.public().key_id != OTHER.public().key_id
    assert check(PASS, [public], NOW_NS, POLICY).shopper_id == SHOPPER
    assert repr(KEY) == "PassKey()"


ED448 = Ed448PrivateKey.generate()
LOCKED = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"till"))


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"", "cannot be read"),
        (KEY.public().dump(), "cannot be read"),
        (KEY.dump()[:60], "cannot be read"),
        (LOCKED, "cannot be read"),
        (ED448.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "is not an Ed25519 key"),
    ],
)
def test_what_is_no_secret_key(pem: bytes, said: str) -> None:
    with pytest.raises(PassInputError, match=f"^pass key: {said}, give the PEM"):
        PassKey.load(pem)


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"", "cannot be read"),
        (KEY.dump(), "cannot be read"),
        (
            ED448.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "is not an Ed25519 key",
        ),
    ],
)
def test_what_is_no_public_key(pem: bytes, said: str) -> None:
    with pytest.raises(PassInputError, match=f"^public key: {said}, give the PEM"):
        PassPublicKey.load(pem)


def test_what_cannot_be_issued() -> None:
    with pytest.raises(PassInputError, match="nonce: has 11 bytes, a pass needs 12"):
        issue(KEY, SHOPPER, NONCE[1:], NOW_NS)
    for at_ns in (-1, 256**5 * S):
        with pytest.raises(PassInputError, match=f"at_ns: {at_ns} fits no pass"):
            issue(KEY, SHOPPER, NONCE, at_ns)


def test_nonces_fit_and_differ() -> None:
    assert {len(random_nonce()) for _ in range(100)} == {NONCE_BYTES}
    assert len({random_nonce() for _ in range(100)}) == 100


def test_a_new_key_is_another_one() -> None:
    assert PassKey.generate().public().key_id != PassKey.generate().public().key_id


def test_a_pass_outlasts_its_time_on_the_screen() -> None:
    assert PassPolicy(valid_s=31, rotate_s=20, clock_tolerance_s=10).valid_s == 31
    with pytest.raises(
        ValidationError, match=r"valid_s 30 is less than .* = 31: a pass would end while a phone shows it"
    ):
        PassPolicy(valid_s=30, rotate_s=20, clock_tolerance_s=10)


# Replays.

SHOWN = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 40), st.integers(-5, 200)),  # which, age of issue, the gate's clock
    max_size=60,
)


def entry(which: int, issued_at_s: int, valid_s: int = 60) -> EntryPass:
    return EntryPass(SHOPPER, which.to_bytes(NONCE_BYTES), issued_at_s * S, (issued_at_s + valid_s) * S)


def test_shown_twice_is_taken_once() -> None:
    replays = Replays()
    assert replays.first(entry(1, 0), 0)
    assert not replays.first(entry(1, 0), 0)
    assert replays.first(entry(2, 0), 59 * S)
    assert not replays.first(entry(1, 0), 60 * S - 1)


def test_forgotten_when_it_expires() -> None:
    replays = Replays()
    assert replays.first(entry(1, 0), 0)
    assert replays.first(entry(2, 30), 60 * S - 1)
    assert len(replays) == 2
    assert replays.first(entry(3, 30), 60 * S)
    assert len(replays) == 2
    assert not replays.first(entry(3, 30), 1_000 * S)
    assert len(replays) == 0


@given(SHOWN, st.integers(1, 8))
def test_never_taken_twice_whatever_the_clock_does(shown: list[tuple[int, int, int]], most: int) -> None:
    replays = Replays(most)
    issued: dict[int, int] = {}
    taken: list[int] = []
    for which, age_s, at_s in shown:
        issued_at_s = issued.setdefault(which, max(0, at_s - age_s))
        taken += [which] if replays.first(entry(which, issued_at_s), at_s * S) else []
        assert len(replays) <= most
    assert len(taken) == len(set(taken))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(0, 59)), max_size=60))
def test_each_good_pass_is_taken_once(shown: list[tuple[int, int, int]]) -> None:
    """With a clock that runs forward and room enough, a pass is refused only because it was shown before."""
    replays, seen, at_s = Replays(), dict[int, int](), 1_000
    for which, step_s, age_s in shown:
        at_s += step_s
        is_new = which not in seen
        found = entry(which, seen.setdefault(which, at_s - age_s))
        if found.expires_at_ns > at_s * S:
            assert replays.first(found, at_s * S) is is_new
        else:
            assert not replays.first(found, at_s * S)
    replays.first(entry(99, at_s), (at_s + 60) * S)
    assert len(replays) == 0


def test_a_full_memory_refuses_the_old_not_the_young() -> None:
    replays = Replays(most=2)
    for which in range(5):
        assert replays.first(entry(which, which), 5 * S)
        assert len(replays) == min(which + 1, 2)
    assert [replays.first(entry(which, which), 5 * S) for which in range(5)] == [False] * 5
    assert not replays.first(entry(9, 2), 5 * S)  # as old as one that was forgotten: it might be that one
    assert replays.first(entry(10, 3), 5 * S)


def test_a_clock_that_was_wrong_closes_the_gate_for_no_longer_than_a_pass_lasts() -> None:
    replays = Replays()
    assert replays.first(entry(1, 100), 100 * S)
    assert not replays.first(entry(2, 101), 10**6 * S)  # the clock jumps ahead, and back
    assert not replays.first(entry(1, 100), 101 * S)
    assert replays.first(entry(2, 101), 101 * S)


def test_a_memory_has_room() -> None:
    with pytest.raises(PassInputError, match="most: 0 would remember nothing"):
        Replays(0)


def test_every_refusal_is_one_kind_of_error() -> None:
    assert {kind.__base__ for kind in (*UNREAD, PassExpired, PassFromFuture)} == {PassError}
