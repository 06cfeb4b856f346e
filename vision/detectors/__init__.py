"""Detectors: frames in, people and their hands in the picture out. One file per adapter."""

from vision.detectors.base import Detector, WeightsError
from vision.detectors.loading import load_detector
from vision.detectors.settings import DetectorSettings
from vision.detectors.weights import FoundWeights, find_weights, rendered_people_notice

__all__ = [
    "Detector",
    "DetectorSettings",
    "FoundWeights",
    "WeightsError",
    "find_weights",
    "load_detector",
    "rendered_people_notice",
]
