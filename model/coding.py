"""How a picture becomes spikes. Imports neither torch nor Amaranth."""

from dataclasses import dataclass

import numpy as np

from .config import GRAINS, SILENT

__all__ = ["NetworkError", "Coding", "Unfold", "encode", "picture_codes"]


class NetworkError(ValueError):
    """A network that cannot run; the message names the layer, the limit and the value found."""


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How a spike map codes values: slot t of ``window`` is worth 2^(-t / tau).

    Parameters
    ----------
    window : int
        Slots of the window, 1 to 31.
    tau : int
        Slots per octave: 1, 2 or 4.
    nearest : bool
        Round to the nearest spike time instead of down to the next later one.
    """

    window: int = 1
    tau: int = 4
    nearest: bool = False

    def __post_init__(self):
        if not 1 <= self.window <= 31:
            raise NetworkError(f"a window has 1 to 31 slots, not {self.window}")
        if self.tau not in GRAINS:
            raise NetworkError(f"tau must be 1, 2 or 4 slots an octave, not {self.tau}")

    @property
    def grain(self) -> int:
        """Quarter octaves per slot."""
        return 4 // self.tau


@dataclass(frozen=True, kw_only=True)
class Unfold:
    """The picture laid out once for each output pixel of the first layer: the taps become channels.

    A convolution over a few channels reads a few codes here and a few there; unfolded, all the taps of an output pixel
    lie in one place, and the convolution's kernel is 1.

    Parameters
    ----------
    kernel : int
    stride, padding : int
        Of the convolution that was unfolded.
    """

    kernel: int
    stride: int = 1
    padding: int = 0

    def shape(self, picture: tuple[int, int, int]) -> tuple[int, int, int]:
        """Channels, height and width of what becomes of a picture with these."""
        channels, *sides = picture
        return channels * self.kernel ** 2, *(max(side + 2 * self.padding - self.kernel + self.stride, 0) // self.stride
                                              for side in sides)

    def laid_out(self, codes: np.ndarray) -> np.ndarray:
        """Spike codes (pictures, channels, height, width) laid out: the taps of a channel lie side by side."""
        beside = (self.padding, self.padding)
        padded = np.pad(codes, ((0, 0), (0, 0), beside, beside), constant_values=SILENT)
        taps = np.lib.stride_tricks.sliding_window_view(padded, (self.kernel, self.kernel), axis=(2, 3), writeable=True)
        taps = taps[:, :, ::self.stride, ::self.stride].transpose(0, 1, 4, 5, 2, 3)
        return taps.reshape(len(codes), *self.shape(codes.shape[1:]))


def encode(values: np.ndarray, coding: Coding) -> np.ndarray:
    """The first slot whose threshold each value reaches.

    Slot t is reached at ``2^(-t / tau)``, or half a slot below it where the coding rounds to the nearest
    (CAT, Lew et al., DAC 2022).

    Parameters
    ----------
    values : ndarray, float
        Between 0 and 1.
    coding : Coding

    Returns
    -------
    ndarray, uint8, as ``values``
        Slots, or ``SILENT`` below the threshold of the last slot.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"values to encode lie between 0 and 1, found {low:g} to {high:g}")
    thresholds = [2 ** (-(slot + 0.5 * coding.nearest) / coding.tau) for slot in reversed(range(coding.window))]
    thresholds = np.array(thresholds, np.promote_types(values.dtype, np.float32))
    reached = np.searchsorted(thresholds, values, side="right")
    return np.where(reached == 0, SILENT, coding.window - reached).astype(np.uint8)


def picture_codes(pictures: np.ndarray, name: str, shape: tuple[int, int, int], coding: Coding,
                  unfold: Unfold | None) -> np.ndarray:
    """Pictures as the spikes that a network reads.

    Parameters
    ----------
    pictures : ndarray, float, (pictures, channels, height, width)
        Pixels between 0 and 1.
    name : str
        Of the network.
    shape : tuple of int
        Channels, height and width of what it reads.
    coding : Coding
        Of what it reads.
    unfold : Unfold, optional
        How a picture is laid out.

    Returns
    -------
    ndarray, uint8, (pictures, *shape)

    Raises
    ------
    ValueError
        If the network reads pictures of another size, or a pixel is not between 0 and 1.
    """
    if pictures.ndim != 4 or not len(pictures):
        raise ValueError("pictures are an array (pictures, channels, height, width) of at least one, "
                         f"not of shape {pictures.shape}")
    found = unfold.shape(pictures.shape[1:]) if unfold else pictures.shape[1:]
    if found != shape:
        raise ValueError(f"network {name} reads maps of {_sizes(shape)}, and a picture of "
                         f"{_sizes(pictures.shape[1:])} gives one of {_sizes(found)}")
    codes = encode(pictures, coding)
    return unfold.laid_out(codes) if unfold else codes


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
