"""The queue that operators share: who has which question, answers that can still be taken back, and handing them on.

An answer is on the disk before anybody is told that it was taken, and goes to the store ten seconds later, or when its question is
about to fall due, or when the dashboard ends. One that a crash left behind goes to the store at the next start.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dashboard.audit import Deed
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.reviews.claims import Claims
from dashboard.reviews.labelled import clip_labels, example_of, write_example
from dashboard.reviews.pending import AnswerBook, Pending
from dashboard.reviews.types import Outcome, Question, Questions

_S = 1_000_000_000
LABELLED, ANSWERS = "labelled", "answers.json"
"""What is kept in the store's data folder: labelled examples, and answers that can still be taken back."""

UNDO_NS = 10 * _S
"""How long an answer can be taken back."""
MARGIN_NS = 2 * _S
"""How long before its question falls due an answer goes to the store, whose pictures are some tenths of a second behind."""
_SENT_NS = 10 * _S
"""How long a question that was answered is left out while the store still has it; one that is there later was not settled."""
_TOLD_NS = 120 * _S
_MOST_TOLD = 20
_TEND_S = 0.2


@dataclass(frozen=True, slots=True)
class Entry:
    """A question in the queue: ``holder`` has it open, ``pending`` is an answer that can still be taken back."""

    question: Question
    holder: str | None = None
    pending: Pending | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an answer that was not taken: ``what`` is ``late``, ``other``, ``refused`` or ``unlabelled``."""

    at_ns: int
    review_id: str
    who: str
    what: str
    detail: str = ""


class ReviewDesk:
    """Hands out questions and takes answers. Safe to use from several threads."""

    def __init__(
        self,
        questions: Questions,
        folder: Path,
        store_name: str,
        clock: Callable[[], int],
        did: Callable[[Deed], None] = lambda _deed: None,
    ) -> None:
        """``folder`` is the store's data folder; ``did`` writes to the audit log. Raises InputError for a damaged book."""
        self.questions, self._store_name, self._clock, self._did = questions, store_name, clock, did
        self.labelled = folder / LABELLED
        self._book = AnswerBook(folder / ANSWERS)
        self._claims = Claims()
        self._sent: dict[str, int] = {}
        self._told: deque[Told] = deque(maxlen=_MOST_TOLD)
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    # -- the queue ----------------------------------------------------------------------

    def queue(self, at_ns: int) -> tuple[Entry, ...]:
        """Return what is open, what falls due first at the top; without what was answered and handed on."""
        found = sorted(self.questions.open(), key=lambda each: (each.due_ns, each.review_id))
        with self._lock:
            return tuple(self._entry(each, at_ns) for each in found if not self._is_sent(each.review_id, at_ns))

    def waiting(self, at_ns: int) -> int:
        """Return how many questions nobody has answered."""
        return sum(each.pending is None for each in self.queue(at_ns))

    def look(self, review_id: str, at_ns: int) -> Entry:
        """Return one question. Raises NotFound for one that is not open."""
        found = next((each for each in self.questions.open() if each.review_id == review_id), None)
        with self._lock:
            if found is None or self._is_sent(review_id, at_ns):
                raise NotFound(f"{review_id} is not open: it was answered, fell due, or there is none")
            return self._entry(found, at_ns)

    def mine(self, who: str) -> tuple[Pending, ...]:
        """Return somebody's answers that can still be taken back, the latest first."""
        with self._lock:
            return tuple(each for each in reversed(self._book.all()) if each.who == who)

    def told(self, at_ns: int) -> tuple[Told, ...]:
        """Return what became of answers lately that were not taken, the latest first."""
        with self._lock:
            return tuple(each for each in reversed(self._told) if at_ns - each.at_ns < _TOLD_NS)

    # -- claims ---------------------------------------------------------------------------

    def claim(self, review_id: str, who: str, at_ns: int) -> Entry:
        """Open a question, or renew the claim on it; where somebody else has it, or has answered it, only look at it."""
        entry = self.look(review_id, at_ns)
        with self._lock:
            if self._book.get(review_id) is None:
                self._claims.take(review_id, who, at_ns)
            return self._entry(entry.question, at_ns)

    def next(self, who: str, at_ns: int, skip: str = "") -> str | None:
        """Claim the most urgent question that nobody else has, and return its id; ``skip`` is left to others."""
        with self._lock:
            self._claims.forget(at_ns)
            self._claims.free(skip, who)
            for entry in self.queue(at_ns):
                review_id = entry.question.review_id
                if entry.pending is None and review_id != skip and self._claims.take(review_id, who, at_ns):
                    return review_id
        return None

    def leave(self, review_id: str, who: str, at_ns: int) -> None:
        """Let a claim end in a moment: its page goes, and may be loaded again."""
        with self._lock:
            self._claims.leave(review_id, who, at_ns)

    def release(self, review_id: str, who: str) -> None:
        """End a claim at once."""
        with self._lock:
            self._claims.free(review_id, who)

    # -- answers --------------------------------------------------------------------------

    def answer(self, review_id: str, outcome: Outcome, who: str, at_ns: int) -> Pending:
        """Take an answer; it can be taken back for a while, unless its question is about to fall due.

        Raises NotFound, InConflict where somebody else has the question or has answered it, Refused, Unavailable.
        """
        with self._lock:
            entry = self.look(review_id, at_ns)
            other = entry.holder if entry.pending is None else entry.pending.who
            if other not in (None, who):
                raise InConflict(f"{other} has it")
            self.questions.check(review_id, outcome)
            now_ns = self.questions.now_ns()
            example = example_of(entry.question, outcome, self._store_name, who, now_ns)
            pending = Pending(example=example, send_at_ns=at_ns + UNDO_NS, due_ns=entry.question.due_ns)
            self._write(Deed(at_ns, who, "review.answer", review_id, _detail(outcome)))
            try:
                self._book.put(pending)
            except OSError as error:
                raise Unavailable(f"answers cannot be kept: {error.strerror}") from error
            self._claims.free(review_id, who)
            if self._is_time(pending, at_ns):
                self._hand_on(pending, at_ns, now_ns)
            return pending

    def undo(self, review_id: str, who: str, at_ns: int) -> None:
        """Take one's own answer back, and have the question again. Raises NotFound once it was handed on."""
        with self._lock:
            pending = self._own(review_id, who)
            if self._is_time(pending, at_ns):
                raise NotFound(f"the answer to {review_id} is on its way")
            self._write(Deed(at_ns, who, "review.undo", review_id, _detail(pending.example.answer.outcome)))
            try:
                self._book.remove(review_id)
            except OSError as error:
                raise Unavailable(f"answers cannot be kept: {error.strerror}") from error
            self._claims.take(review_id, who, at_ns)

    def send(self, review_id: str, who: str, at_ns: int) -> None:
        """Hand one's own answer on at once. Raises NotFound where it was."""
        with self._lock:
            self._hand_on(self._own(review_id, who), at_ns, self.questions.now_ns())

    # -- handing on ------------------------------------------------------------------------

    def start(self) -> None:
        """Hand on what a crash left behind, and from now on what is due, in a thread."""
        self._hand_on_all()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="dashboard-reviews", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand on all that waits, and end the thread. What the store does not take stays for the next start."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._hand_on_all()

    def tend(self, at_ns: int) -> None:
        """Hand on what is due."""
        with self._lock:
            self._claims.forget(at_ns)
            self._sent = {key: sent_ns for key, sent_ns in self._sent.items() if at_ns - sent_ns < _SENT_NS}
            for pending in self._book.all():
                if self._is_time(pending, at_ns):
                    if all(each.review_id != pending.review_id for each in self.questions.open()):
                        self._tell(pending, at_ns, "late", "")  # it fell due, or was answered elsewhere
                    self._hand_on(pending, at_ns, self.questions.now_ns())

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(_TEND_S):
            self.tend(self._clock())

    def _hand_on_all(self) -> None:
        """Give answers of the moment in which they were given, for the store's time may be over by now."""
        with self._lock:
            for pending in self._book.all():
                self._hand_on(pending, self._clock(), pending.example.answered_at_ns)

    def _hand_on(self, pending: Pending, at_ns: int, store_ns: int) -> None:
        review_id, outcome = pending.review_id, pending.example.answer.outcome
        try:
            self.questions.answer(review_id, outcome, store_ns)
        except Unavailable:
            return  # it waits, and is tried again
        except InConflict as error:
            self._tell(pending, at_ns, "other", str(error))
        except Refused as error:
            self._tell(pending, at_ns, "refused", str(error))
        else:
            self._label(pending, at_ns)
            self._sent[review_id] = at_ns
        try:
            self._book.remove(review_id)
        except OSError:
            self._book.drop(review_id)  # the next start gives it once more, which changes nothing

    def _label(self, pending: Pending, at_ns: int) -> None:
        clips = clip_labels(self.questions.clips(pending.review_id)) or pending.example.clips
        try:
            write_example(self.labelled, pending.example.model_copy(update={"clips": clips}))
        except OSError as error:
            self._tell(pending, at_ns, "unlabelled", error.strerror or "")

    # -- within ------------------------------------------------------------------------------

    def _entry(self, question: Question, at_ns: int) -> Entry:
        review_id = question.review_id
        return Entry(question, self._claims.holder(review_id, at_ns), self._book.get(review_id))

    def _is_sent(self, review_id: str, at_ns: int) -> bool:
        sent_ns = self._sent.get(review_id)
        return sent_ns is not None and at_ns - sent_ns < _SENT_NS

    def _is_time(self, pending: Pending, at_ns: int) -> bool:
        return at_ns >= pending.send_at_ns or self.questions.now_ns() >= pending.due_ns - MARGIN_NS

    def _own(self, review_id: str, who: str) -> Pending:
        pending = self._book.get(review_id)
        if pending is None or pending.who != who:
            raise NotFound(f"no answer of {who} to {review_id} waits")
        return pending

    def _write(self, deed: Deed) -> None:
        try:
            self._did(deed)
        except OSError as error:
            raise Unavailable(f"the audit log cannot be written: {error.strerror}") from error

    def _tell(self, pending: Pending, at_ns: int, what: str, detail: str) -> None:
        self._told.append(Told(at_ns, pending.review_id, pending.who, what, detail))


def _detail(outcome: Outcome) -> str:
    if outcome.sku is None:
        return "nothing"
    return f"{'took' if outcome.quantity > 0 else 'put back'} {abs(outcome.quantity)} {outcome.sku}, {outcome.visit_id or 'nobody'}"
