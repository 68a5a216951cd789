"""Small random changes of the training pictures."""

import torch
from torch import Generator, Tensor
from torch.nn import functional

__all__ = ["augment"]


def augment(images: Tensor, shift: float, rotation: float, zoom: float, flip: bool, erase: int,
            generator: Generator) -> Tensor:
    """Shift, turn, scale, mirror and patch every picture by its own random amounts.

    Without rotation and zoom, pictures are shifted by whole pixels, and no pixel is mixed with another.

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
    flip : bool
        Mirror half of the pictures, left to right.
    erase : int
        Side of a square that is black, in pixels, anywhere in the picture (Cutout: DeVries and Taylor, 2017).

    Returns
    -------
    Tensor, float32, as ``images``
    """
    if flip:
        mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if not rotation and not zoom:
        images = _shifted(images, int(shift), generator)
        return _erased(images, erase, generator) if erase else images

    def uniform(limit, *shape):
        return (2 * torch.rand(len(images), *shape, generator=generator) - 1) * limit

    angle, size = torch.deg2rad(uniform(rotation)), 1 + uniform(zoom)
    cosine, sine = size * angle.cos(), size * angle.sin()
    offset = uniform(shift, 2) * 2 / images.shape[-1]
    turn = torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)
    grid = functional.affine_grid(torch.cat((turn, offset.unsqueeze(2)), 2), list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)
    return _erased(images, erase, generator) if erase else images


def _erased(images: Tensor, side: int, generator: Generator) -> Tensor:
    """Every picture with a black square, whose middle lies anywhere in it."""
    inside = []
    for length in images.shape[2:]:
        first = torch.randint(length, (len(images), 1), generator=generator) - side // 2
        place = torch.arange(length)
        inside.append((place >= first) & (place < first + side))
    return images.masked_fill((inside[0][:, :, None] & inside[1][:, None, :])[:, None], 0)


def _shifted(images: Tensor, shift: int, generator: Generator) -> Tensor:
    """Every picture, moved by up to ``shift`` whole pixels either way."""
    height, width = images.shape[2:]
    padded = functional.pad(images, (shift,) * 4)
    down, right = (torch.randint(2 * shift + 1, (len(images), 1), generator=generator) for _ in range(2))
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    each = torch.arange(len(images))[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
