"""Write expected.json beside each bundled recording: the receipts that its truth holds.

``.venv/bin/python tools/expected_results.py``; `tillfree evaluate --check` and the demo hold runs against it.
"""

from __future__ import annotations

from pathlib import Path

from recordings.files import load_recording, load_truth
from tillfree.evaluation.expected import Expected, ExpectedReceipt, write_expected

SAMPLES = Path(__file__).resolve().parent.parent / "sample_videos"


def main() -> None:
    """Write the file of every sample that has a truth."""
    for place in sorted(each.parent for each in SAMPLES.glob("*/recording.yaml")):
        truth = load_truth(load_recording(place).base_dir)
        if truth is not None:
            receipts = tuple(
                ExpectedReceipt(token=visit.token, scanned_at_s=visit.scanned_at_s, lines=visit.receipt)
                for visit in truth.truth.visits
            )
            write_expected(place, Expected(version=1, receipts=receipts, scores={}))


if __name__ == "__main__":
    main()
