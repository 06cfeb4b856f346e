"""The load generator, in a process of its own.

``python -m benchmarks.billing_load.load`` reads a Load as JSON from its standard input and writes what it found as JSON
to its standard output. With ``clients`` it goes as fast as it gets answers (each client one visit after the other).
With ``visits_per_s`` it starts calls at planned times, whether or not those before were answered, and counts the time of
a call from when it was planned: an answer that is late makes those behind it late too, and they count.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from benchmarks.billing_load.client import Call, Client, visit_calls
from benchmarks.billing_load.shop import cart

GAP_S = 0.5
"""Between a visit's planned calls under a fixed rate, if nothing else is asked for."""
_LINES = 16
"""Connections under a fixed rate: more than are ever busy at half the load that can be reached."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to do: see the module. ``prefix`` begins the visits' ids, which must be new to the database."""

    port: int
    gate_key: str
    vision_key: str
    prefix: str
    seed: int
    seconds: float
    warm_up_s: float
    clients: int = 0
    visits_per_s: float = 0.0
    drafts: int = 1
    gap_s: float = GAP_S

    @property
    def calls(self) -> int:
        """How many calls a visit has."""
        return self.drafts + 2

    def key_of(self, call: Call) -> str:
        """Return the key of the machine that makes a call."""
        return self.gate_key if call.name == "open" else self.vision_key


@dataclass
class Found:
    """What was measured after the warm-up: visits that were finished, in how many seconds, and each call's seconds."""

    visits: int
    seconds: float
    call_s: dict[str, list[float]]

    @property
    def visits_per_s(self) -> float:
        """Return finished visits per second."""
        return self.visits / self.seconds

    def p_ms(self, share: float, *names: str) -> float:
        """Return the milliseconds within which ``share`` of the calls (named, or all) were answered."""
        times = sorted(itertools.chain.from_iterable(self.call_s[name] for name in names or self.call_s))
        return 1e3 * times[min(len(times) - 1, int(share * len(times)))]


def run_load(load: Load) -> Found:
    """Run the load in a process of its own. Raises CalledProcessError where an answer was wrong; it says which."""
    command = [sys.executable, "-m", "benchmarks.billing_load.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    return Found(**json.loads(done.stdout))


class _Line:
    """One connection for each machine's key."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._clients = {key: Client(load.port, key) for key in {load.gate_key, load.vision_key}}

    def ask(self, call: Call) -> None:
        """Ask, and once more where the service has hung up on a connection that was idle: the key makes it one request."""
        client = self._clients[self._load.key_of(call)]
        try:
            client.ask(call)
        except (OSError, http.client.HTTPException):
            client.ask(call)


def _calls(load: Load, number: int) -> tuple[Call, ...]:
    return tuple(visit_calls(f"{load.prefix}-{number:07d}", cart(random.Random(f"{load.seed}-{number}")), load.drafts))


def closed(load: Load) -> Found:
    """Let each client make one visit after the other."""
    numbers, call_s = itertools.count(), {"open": [], "draft": [], "finish": []}  # type: ignore[var-annotated]
    begin_s = time.perf_counter() + load.warm_up_s
    end_s = begin_s + load.seconds

    def work() -> int:
        line, finished = _Line(load), 0
        while time.perf_counter() < end_s:
            for call in _calls(load, next(numbers)):
                asked_s = time.perf_counter()
                line.ask(call)
                answered_s = time.perf_counter()
                if begin_s <= answered_s < end_s:
                    call_s[call.name].append(answered_s - asked_s)
                    finished += call.name == "finish"
        return finished

    return Found(sum(_in_threads(load.clients, work)), load.seconds, call_s)


def paced(load: Load) -> Found:
    """Make each call at its planned time, or as soon after as the one before it in its visit was answered."""
    plan, call_s = _plan(load), {"open": [], "draft": [], "finish": []}  # type: ignore[var-annotated]
    answered = [threading.Event() for _ in range(load.calls * len({number for _, number, _ in plan}))]
    lock, wait = threading.Lock(), threading.Event().wait
    begin_s = time.perf_counter() + 0.1

    def work() -> int:
        line, finished = _Line(load), 0
        while True:
            with lock:
                if not plan:
                    return finished
                at_s, number, step = heapq.heappop(plan)
            wait(max(0.0, begin_s + at_s - time.perf_counter()))
            if step > 0:
                answered[load.calls * number + step - 1].wait()
            call = _calls(load, number)[step]
            try:
                line.ask(call)
            finally:  # whoever waits for an answer that was wrong would wait for ever
                answered[load.calls * number + step].set()
            if at_s >= load.warm_up_s:
                call_s[call.name].append(time.perf_counter() - begin_s - at_s)
                finished += call.name == "finish"

    return Found(sum(_in_threads(_LINES, work)), load.seconds, call_s)


def _plan(load: Load) -> list[tuple[float, int, int]]:
    """Return when which visit's which call is due, in seconds from the start: visits come at random, at a fixed rate."""
    rng, at_s, plan = random.Random(load.seed), 0.0, []
    for number in itertools.count():
        at_s += rng.expovariate(load.visits_per_s)
        if at_s >= load.warm_up_s + load.seconds:
            return sorted(plan)
        plan += [(at_s + load.gap_s * step, number, step) for step in range(load.calls)]
    return plan


def _in_threads(count: int, work: Callable[[], int]) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(work) for _ in range(count)]]


if __name__ == "__main__":
    asked = Load(**json.load(sys.stdin))
    json.dump(asdict(paced(asked) if asked.visits_per_s else closed(asked)), sys.stdout)
