"""The pictures a network is compared on."""

from torch import Tensor

from model.datasets import test_slice
from model.encode import picture_codes
from model.network import Network

__all__ = ["test_pictures"]


def test_pictures(network: Network, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Spike codes and labels of the first pictures of the test split of the network's dataset.

    Parameters
    ----------
    count : int, optional
        See :func:`model.datasets.test_slice`.

    Returns
    -------
    codes : Tensor, uint8, (images, channels, height, width)
    labels : Tensor, int64, (images,)
    """
    test = test_slice(network.dataset, count)
    return picture_codes(test.images, network), test.labels
