"""What the networks in ``networks/`` are trained with."""

from dataclasses import dataclass

from ..network import Coding, NetworkError
from ..trained import ConvSpec, LinearSpec

__all__ = ["Recipe", "RECIPES", "recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and the way to train it.

    Stages begin at a fraction of the epochs, counted from 0 to 1 (CAT: Lew et al., DAC 2022).

    Parameters
    ----------
    name : str
    dataset, shape, layers, input_coding, coding, timesteps, leak_shift, reset
        Of the network; see :class:`model.trained.Header`.
    exit_rule : str
        ``entropy`` has the validation split choose a threshold; ``budget`` runs all timesteps.
    epochs, batch : int
    rate, weight_decay : float
        Of AdamW; the rate falls to zero along a cosine.
    warmup : float
        Fraction of the epochs in which the rate rises from zero to where the cosine begins.
    momentum : float
        Of stochastic gradient descent, with Nesterov's look ahead, in place of AdamW; 0 for AdamW.
    smoothing : float
        Share of the target that goes to all classes alike.
    fast : bool
        Convolve in bfloat16 where this machine has instructions for it, and round weights in float32.
    average : float
        Share that the averaged weights, which are the result, keep at every step.
    clip_from : float
        Activations are clipped at 1 from here on; before, they are a ReLU.
    quantise_from : float
        Weights are logarithmic from here on.
    spike_from : float
        Activations are spikes from here on.
    freeze_from : float
        Batch norm uses its running statistics, the ones that are folded, from here on.
    sparsity : float
        Weight of the mean square root of each hidden layer's activations in the loss.
    operations : float
        Weight of the expected share of all synaptic operations in the loss, see :meth:`FloatNetwork.operations`.
    shift, rotation, zoom : float
        Largest augmentation, in pixels, degrees, and as a fraction.
    flip : bool
        Half of the pictures are mirrored.

    Raises
    ------
    NetworkError
        If there is nothing to train for, or sparsity is asked of a fast run.
    """

    name: str
    dataset: str = "digits"
    shape: tuple[int, int, int] = (1, 8, 8)
    layers: tuple[ConvSpec | LinearSpec, ...]
    input_coding: Coding = Coding(window=24, tau=4, nearest=True)
    coding: Coding
    timesteps: int = 1
    leak_shift: int = 0
    reset: str = "none"
    exit_rule: str = "budget"
    epochs: int
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.0
    momentum: float = 0.0
    smoothing: float = 0.0
    fast: bool = False
    average: float = 0.998
    clip_from: float = 0.0
    quantise_from: float = 0.0
    spike_from: float = 0.0
    freeze_from: float = 0.8
    sparsity: float = 0.0
    operations: float = 0.0
    shift: float = 1.0
    rotation: float = 10.0
    zoom: float = 0.1
    flip: bool = False

    def __post_init__(self):
        if self.epochs < 1:
            raise NetworkError(f"epochs must be at least 1, not {self.epochs}")
        if self.fast and self.sparsity:
            raise NetworkError(f"recipe {self.name}: sparsity weighs activations before pooling, which are not there "
                               f"where training is fast; use operations, not sparsity = {self.sparsity}")


LAYERS = (ConvSpec(name="conv1", channels=16, kernel=3, padding=1, batch_norm=True),
          ConvSpec(name="conv2", channels=16, kernel=3, padding=1, batch_norm=True, pool=2),
          ConvSpec(name="conv3", channels=32, kernel=3, padding=1, batch_norm=True, pool=2),
          LinearSpec(name="readout", channels=10))

RECIPES = {made.name: made for made in (
    Recipe(name="digits-ttfs", layers=LAYERS, coding=Coding(window=24, tau=4, nearest=True), epochs=400,
           clip_from=0.2, quantise_from=0.4, spike_from=0.5, sparsity=0.1),
    Recipe(name="digits-lif", layers=LAYERS, coding=Coding(window=1), timesteps=4, leak_shift=1, reset="zero",
           exit_rule="entropy", epochs=300, quantise_from=0.4),
)}


def recipe(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises
    ------
    NetworkError
        If there is none of that name.
    """
    if name not in RECIPES:
        raise NetworkError(f"there is no recipe called {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]
