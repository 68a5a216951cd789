"""The handwritten digits that come with scikit-learn: 1797 pictures of 8 x 8 pixels, ten classes."""

import hashlib
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor

__all__ = ["Split", "Digits", "load"]

VALIDATION_COUNT = 240
TEST_COUNT = 360


@dataclass(frozen=True)
class Split:
    """Some of the pictures.

    Parameters
    ----------
    images : Tensor, float32, (images, 1, 8, 8)
        Pixels in sixteenths, between 0 and 1.
    labels : Tensor, int64, (images,)
    """

    images: Tensor
    labels: Tensor

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class Digits:
    """1197 pictures to train on, 240 to choose thresholds with, 360 to report."""

    train: Split
    validation: Split
    test: Split


def load() -> Digits:
    """The three splits, each with the same mix of classes.

    The splits are a function of the pictures alone: these are sorted by class, and within a class by the
    SHA-256 of their pixels; then every picture at an even spacing goes to the test split, and of the others
    every picture at an even spacing to the validation split.
    """
    bunch = load_digits()
    order = sorted(range(len(bunch.target)), key=lambda i: (
        bunch.target[i], hashlib.sha256(bunch.images[i].astype("uint8").tobytes()).digest(), i))
    test, rest = _spread(order, TEST_COUNT)
    validation, train = _spread(rest, VALIDATION_COUNT)
    images = torch.from_numpy(bunch.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(bunch.target).long()
    return Digits(*(Split(images[chosen], labels[chosen]) for chosen in (train, validation, test)))


def _spread(items: list, count: int) -> tuple[list, list]:
    """``count`` of the items at an even spacing, and the others."""
    chosen, others = [], []
    for i, item in enumerate(items):
        crosses = i * count // len(items) != (i + 1) * count // len(items)
        (chosen if crosses else others).append(item)
    return chosen, others
