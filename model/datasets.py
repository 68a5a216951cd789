"""Pictures and their classes: handwritten digits, MNIST, Fashion-MNIST, CIFAR-10, each in three splits.

The digits come with scikit-learn; the others are fetched, see :mod:`model.fetch`, but for a slice of each test split
that the project carries.
"""

import gzip
import hashlib
import math
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from .fetch import fetch

__all__ = ["DATASETS", "CLASSES", "SLICE", "Split", "Dataset", "load", "test_slice", "save_slice"]

CLASSES = 10
# Pictures at the beginning of a published test set that lie in this folder.
SLICE = 200
SLICES = Path(__file__).parent / "slices"


@dataclass(frozen=True)
class Split:
    """Some of the pictures.

    Parameters
    ----------
    images : Tensor, float32, (images, channels, height, width)
        Pixels between 0 and 1.
    labels : Tensor, int64, (images,)
    """

    images: Tensor
    labels: Tensor

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Pictures to train on, to choose thresholds with, and to report."""

    train: Split
    validation: Split
    test: Split


def load(name: str) -> Dataset:
    """The three splits of the dataset called ``name``.

    What its publisher calls the test set is the test split, and the validation split is cut from the training set. The
    digits have no such sets; all is cut from one. Every cut has the same mix of classes and is a function of the
    pictures alone: these are sorted by class, and within a class by the SHA-256 of their pixels; then every picture at
    an even spacing is cut off.

    Raises
    ------
    ValueError
        If there is no dataset of that name, or if a file does not hold what it should.
    OSError
        If a file is not to be had.
    """
    if name not in DATASETS:
        raise ValueError(f"there is no dataset called {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]()


def test_slice(name: str, count: int | None = None) -> Split:
    """The first pictures of a test split.

    Parameters
    ----------
    name : str
        Of the dataset.
    count : int, optional
        Without it, what the project carries: ``SLICE`` pictures, or all the digits. More than these are fetched.

    Raises
    ------
    ValueError
        If there is no dataset of that name, or it has fewer pictures; and as :func:`load`.
    OSError
        As :func:`load`.
    """
    path = SLICES / f"{name}.npz"
    if path.exists() and (count is None or count <= SLICE):
        with np.load(path) as arrays:
            test = _split(arrays["images"], arrays["labels"], 255)
    else:
        test = load(name).test
    if count is not None and not 1 <= count <= len(test):
        raise ValueError(f"the test split of {name} has {len(test)} pictures, {count} were asked for")
    return Split(test.images[:count], test.labels[:count])


def save_slice(name: str) -> Path:
    """Write the slice of a published test set that the project carries."""
    test, path = load(name).test, SLICES / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    images = (test.images[:SLICE] * 255).round().to(torch.uint8)
    np.savez_compressed(path, images=images.numpy(), labels=test.labels[:SLICE].to(torch.uint8).numpy())
    return path


def _digits() -> Dataset:
    """1797 pictures of 8 x 8 pixels in sixteenths; 240 and 360 are cut off."""
    bunch = load_digits()
    images, labels = bunch.images.astype(np.uint8)[:, None], bunch.target
    test, rest = _cut(_mixed(images, labels), 360)
    validation, train = _cut(rest, 240)
    return Dataset(*(_split(images[chosen], labels[chosen], 16) for chosen in (train, validation, test)))


IDX_COUNTS = {"train": 60_000, "t10k": 10_000}


def _idx(folder: str) -> Dataset:
    """60000 and 10000 pictures of 28 x 28 pixels, in the four files of MNIST."""
    arrays = {}
    for part, count in IDX_COUNTS.items():
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            arrays[part, kind] = _read_idx(fetch(f"{folder}/{part}-{kind}-ubyte.gz"), shape)
    (images, labels), test = ((arrays[part, "images-idx3"][:, None], arrays[part, "labels-idx1"])
                              for part in ("train", "t10k"))
    return _published(images, labels, *test)


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A gzipped idx file of bytes."""
    head = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    try:
        data = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a gzip file: {error}") from None
    expected = len(head) + math.prod(shape)
    if data[:len(head)] != head or len(data) != expected:
        raise ValueError(f"{path} does not hold {' x '.join(map(str, shape))} bytes in the idx format "
                         f"({expected} bytes that begin with {head.hex()}), "
                         f"but {len(data)} bytes that begin with {data[:len(head)].hex()}")
    return np.frombuffer(data, np.uint8, offset=len(head)).reshape(shape)


CIFAR_BATCH = 10_000
CIFAR_SHAPE = (3, 32, 32)


def _cifar10() -> Dataset:
    """50000 and 10000 pictures of 32 x 32 pixels in three colours, from the binary archive."""
    path, batches = fetch("cifar10/cifar-10-binary.tar.gz"), {}
    record = 1 + math.prod(CIFAR_SHAPE)
    try:
        with tarfile.open(path) as archive:
            for name in *(f"data_batch_{number}" for number in range(1, 6)), "test_batch":
                member = f"cifar-10-batches-bin/{name}.bin"
                data = archive.extractfile(member).read()
                if len(data) != CIFAR_BATCH * record:
                    raise ValueError(f"{path}: {member} holds {len(data)} bytes, expected {CIFAR_BATCH * record}")
                batches[name] = np.frombuffer(data, np.uint8).reshape(CIFAR_BATCH, record)
    except (tarfile.TarError, EOFError, KeyError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not the binary archive of CIFAR-10: {error}") from None
    test = batches.pop("test_batch")
    train = np.concatenate(list(batches.values()))
    (images, labels), tests = ((part[:, 1:].reshape(-1, *CIFAR_SHAPE), part[:, 0]) for part in (train, test))
    return _published(images, labels, *tests)


def _published(images: np.ndarray, labels: np.ndarray, test_images: np.ndarray, test_labels: np.ndarray) -> Dataset:
    """The splits of a dataset that has a test set: a tenth of the training set is cut off."""
    validation, train = _cut(_mixed(images, labels), len(labels) // 10)
    return Dataset(_split(images[train], labels[train], 255), _split(images[validation], labels[validation], 255),
                   _split(test_images, test_labels, 255))


def _split(images: np.ndarray, labels: np.ndarray, white: int) -> Split:
    return Split(torch.tensor(images, dtype=torch.float32) / white, torch.tensor(labels, dtype=torch.int64))


def _mixed(images: np.ndarray, labels: np.ndarray) -> list[int]:
    """All pictures, sorted by class, and within a class as good as at random."""
    return sorted(range(len(labels)), key=lambda i: (labels[i], hashlib.sha256(images[i].tobytes()).digest(), i))


def _cut(items: list[int], count: int) -> tuple[list[int], list[int]]:
    """``count`` of the items at an even spacing, and the others."""
    chosen, others = [], []
    for i, item in enumerate(items):
        crosses = i * count // len(items) != (i + 1) * count // len(items)
        (chosen if crosses else others).append(item)
    return chosen, others


DATASETS: dict[str, Callable[[], Dataset]] = {
    "digits": _digits,
    "mnist": lambda: _idx("mnist"),
    "fashion-mnist": lambda: _idx("fashion-mnist"),
    "cifar10": _cifar10,
}
