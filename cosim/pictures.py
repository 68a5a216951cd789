"""The pictures a network is compared on."""

from torch import Tensor

from model.datasets import load
from model.encode import picture_codes
from model.network import Network

__all__ = ["test_pictures"]


def test_pictures(network: Network) -> tuple[Tensor, Tensor]:
    """Spike codes and labels of the test split of the network's dataset.

    Returns
    -------
    codes : Tensor, uint8, (images, channels, height, width)
    labels : Tensor, int64, (images,)
    """
    test = load(network.dataset).test
    return picture_codes(test.images, network), test.labels
