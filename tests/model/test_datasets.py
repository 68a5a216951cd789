import gzip
import io
import tarfile

import numpy as np
import pytest
import torch

from model import datasets
from model.datasets import load
from model.fetch import FOLDER

SMALL = {"train": 200, "t10k": 30}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


def numbered(count, *shape):
    """Pictures that are all different, and their classes, as many of each."""
    images = np.zeros((count, *shape), np.uint8)
    images.reshape(count, -1)[:, :2] = np.stack((np.arange(count) // 250, np.arange(count) % 250), 1)
    images.reshape(count, -1)[:, -1] = 255
    return images, (np.arange(count) % 10).astype(np.uint8)


def idx(array):
    head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(head + array.tobytes(), 1)


@pytest.fixture(params=["mnist", "fashion-mnist"])
def mnist(request, folder, monkeypatch):
    """A folder with the four files of a small MNIST, and its name."""
    monkeypatch.setattr(datasets, "IDX_COUNTS", SMALL)
    (folder / request.param).mkdir()
    for part, count in SMALL.items():
        images, labels = numbered(count, 28, 28)
        (folder / request.param / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / request.param / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    return folder / request.param


def archive(folder, batch, **changed):
    """A small CIFAR-10 of ``batch`` pictures a file; ``changed`` files have other bytes."""
    (folder / "cifar10").mkdir()
    images, labels = numbered(6 * batch, 3, 32, 32)
    records = np.concatenate((labels[:, None], images.reshape(len(labels), -1)), 1).reshape(6, -1)
    path = folder / "cifar10" / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in zip([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"], records):
            data = changed.get(name, data.tobytes())
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def number(split):
    """Which pictures of :func:`numbered` these are."""
    first, second, last = (split.images.flatten(1)[:, place] for place in (0, 1, -1))
    assert (last == 1).all()
    return ((first * 250 + second) * 255).round().long()


def test_a_published_test_set_is_the_test_split_and_a_tenth_of_the_training_set_is_for_validation(mnist):
    data = load(mnist.name)
    assert data.test.images.shape == (30, 1, 28, 28) and data.test.images.dtype == torch.float32
    assert number(data.test).tolist() == list(range(30))
    assert [len(split) for split in (data.train, data.validation)] == [180, 20]
    assert sorted(number(data.train).tolist() + number(data.validation).tolist()) == list(range(200))
    for split in (data.train, data.validation, data.test):
        assert split.labels.equal(number(split) % 10)
        assert split.labels.bincount().tolist() == [len(split) // 10] * 10


def test_colours_come_one_after_another(folder, monkeypatch):
    monkeypatch.setattr(datasets, "CIFAR_BATCH", 40)
    archive(folder, 40)
    data = load("cifar10")
    assert [tuple(split.images.shape) for split in (data.train, data.validation, data.test)] == [
        (180, 3, 32, 32), (20, 3, 32, 32), (40, 3, 32, 32)]
    assert number(data.test).tolist() == list(range(200, 240))
    assert data.test.images[:, 2, 31, 31].min() == 1 and data.test.images[:, 1].max() == 0


def test_the_digits_are_three_cuts_of_one_set_with_the_same_mix_of_classes(folder):
    data = load("digits")
    splits = data.train, data.validation, data.test
    assert [len(split) for split in splits] == [1197, 240, 360]
    assert len({image.numpy().tobytes() for split in splits for image in split.images}) == 1797
    for split in splits:
        share = split.labels.bincount(minlength=10) / len(split)
        assert share.min() > 0.09 and share.max() < 0.11
    assert data.test.labels[:3].tolist() == [0, 0, 0] and data.test.images.max() == 1


def test_an_unknown_dataset_is_refused():
    with pytest.raises(ValueError, match="^there is no dataset called 'letters'; there are digits, mnist, "):
        load("letters")


@pytest.mark.parametrize("content, reason", [
    (b"not a gzip file", "is not a gzip file: Not a gzipped file"),
    (idx(np.zeros((200, 28, 28), np.uint8))[:-20], "is not a gzip file: Compressed file ended"),
    (idx(np.zeros((199, 28, 28), np.uint8)), r"does not hold 200 x 28 x 28 bytes in the idx format \(156816 bytes"),
    (gzip.compress(bytes(156_816)), "but 156816 bytes that begin with 00000000"),
], ids=["text", "cut off", "a picture short", "another format"])
def test_a_file_that_is_no_idx_file_is_refused(content, reason, mnist):
    path = mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as refused:
        load(mnist.name)
    assert str(refused.value).startswith(str(path))


def test_an_archive_that_is_not_cifar_10_is_refused(folder, monkeypatch):
    monkeypatch.setattr(datasets, "CIFAR_BATCH", 40)
    path = archive(folder, 40, data_batch_3=bytes(7))
    with pytest.raises(ValueError, match=r"data_batch_3.bin holds 7 bytes, expected 122920$"):
        load("cifar10")
    whole = path.read_bytes()
    for content in (b"something else", whole[:len(whole) // 2], b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not the binary archive of CIFAR-10"):
            load("cifar10")


def test_a_slice_of_a_test_split_is_read_without_the_dataset(mnist, tmp_path, monkeypatch):
    name = mnist.name
    monkeypatch.setattr(datasets, "SLICES", tmp_path / "slices")
    monkeypatch.setattr(datasets, "SLICE", 20)
    whole = load(name).test
    assert datasets.save_slice(name).parent == tmp_path / "slices"
    # More than the slice are taken from the dataset.
    for count, expected in ((21, 21), (30, 30)):
        assert datasets.test_slice(name, count).images.equal(whole.images[:expected])
    with pytest.raises(ValueError, match=f"the test split of {name} has 30 pictures, 31 were asked for"):
        datasets.test_slice(name, 31)
    monkeypatch.setattr(datasets, "load", None)
    for count, expected in ((None, 20), (20, 20), (3, 3)):
        part = datasets.test_slice(name, count)
        assert part.images.equal(whole.images[:expected]) and part.labels.equal(whole.labels[:expected])


@pytest.mark.parametrize("name, shape", [("digits", (1, 8, 8)), ("mnist", (1, 28, 28)), ("fashion-mnist", (1, 28, 28)),
                                         ("cifar10", (3, 32, 32))])
def test_the_project_carries_pictures_of_every_dataset(name, shape, monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    part = datasets.test_slice(name)
    assert len(part) == (360 if name == "digits" else datasets.SLICE)
    assert part.images.shape[1:] == shape and part.labels.unique().tolist() == list(range(10))
    assert part.images.min() == 0 and part.images.max() == 1
