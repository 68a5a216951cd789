"""Max pooling: the earliest spike of a window. Twin of :mod:`rtl.pool`."""

from torch import Tensor

__all__ = ["earliest"]


def earliest(codes: Tensor, side: int) -> Tensor:
    """The smallest code of each ``side`` x ``side`` window; rows and columns left over are dropped.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)

    Returns
    -------
    Tensor, uint8, (images, channels, height // side, width // side)
    """
    return codes.unfold(2, side, side).unfold(3, side, side).amin((-2, -1))
