"""Small random changes of the training pictures."""

import torch
from torch import Generator, Tensor
from torch.nn import functional

__all__ = ["augment"]


def augment(images: Tensor, shift: float, rotation: float, zoom: float, generator: Generator) -> Tensor:
    """Shift, turn and scale every picture by its own random amounts.

    Parameters
    ----------
    images : Tensor, float32, (images, channels, height, width)
        Pixels between 0 and 1; outside the picture they are 0.
    shift : float
        Pixels, at most.
    rotation : float
        Degrees, at most.
    zoom : float
        Fraction of the size, at most.

    Returns
    -------
    Tensor, float32, as ``images``
    """
    def uniform(limit, *shape):
        return (2 * torch.rand(len(images), *shape, generator=generator) - 1) * limit

    angle, size = torch.deg2rad(uniform(rotation)), 1 + uniform(zoom)
    cosine, sine = size * angle.cos(), size * angle.sin()
    offset = uniform(shift, 2) * 2 / images.shape[-1]
    turn = torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)
    grid = functional.affine_grid(torch.cat((turn, offset.unsqueeze(2)), 2), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)
