"""What the networks in ``networks/`` are trained with."""

from dataclasses import dataclass, replace

from ..network import Coding, NetworkError
from ..trained import AnySpec, ConvSpec, IdentitySpec, LinearSpec

__all__ = ["Recipe", "RECIPES", "recipe", "tuning"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and the way to train it.

    Stages begin at a fraction of the epochs, counted from 0 to 1 (CAT: Lew et al., DAC 2022).

    Parameters
    ----------
    name : str
    dataset, shape, layers, input_coding, coding, timesteps, leak_shift, reset, start
        Of the network; see :class:`model.trained.Header`.
    start_from : str
        The trained network whose weights this one begins with, but for those of a readout of other classes; random ones
        if none is named.
    levels : int
        Train one timestep whose activations have so many levels, which the spikes of all timesteps then add up to
        (QCFS: Bu et al., ICLR 2022); 0 to train the timesteps themselves.
    policy_of : str
        The trained network whose timesteps this one learns to name, see :mod:`model.training.policy`; none for a
        network that learns the classes of its dataset.
    penalty, hard : float
        What a policy pays for a wrong answer, and how often a picture counts that the first timestep gets wrong; see
        :func:`model.training.policy.costs`.
    lead : float
        A policy begins as the margin of the network that it starts from, which is sure of a class that leads by so
        much, see :func:`model.training.policy.begin_as_margin`; 0 for random weights.
    exit_rule : str
        With ``entropy``, ``probability`` or ``margin``, the validation split chooses the threshold; ``budget`` runs all
        timesteps.
    target_timesteps : float
        How many of them the threshold, or the price that a policy pays for each, is to make on average; 0 for as few
        as lose no accuracy, and for a policy without a price.
    epochs, batch : int
    rate, weight_decay : float
        Of AdamW; the rate falls to zero along a cosine.
    warmup : float
        Fraction of the epochs in which the rate rises from zero to where the cosine begins.
    momentum : float
        Of stochastic gradient descent, with Nesterov's look ahead, in place of AdamW; 0 for AdamW.
    smoothing : float
        Share of the target that goes to all classes alike; of a policy, what a unit of its entropy is worth.
    rounded : bool
        Keep the result folded and rounded, in a sixth of the space; see :func:`model.convert.rounded`.
    mean : bool
        Keep the mean of what the network ends with and of what it started from, see :func:`model.convert.mean`.
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
    again : int
        Epochs of a second round behind the first: everything takes part from the start, and the rate falls to zero from
        ``again_rate``. Batch norm uses its running statistics in the same last part of it, an epoch at least.
    again_rate : float
    unroll_from : float
        All timesteps are run from here on; before, only the first, which is cheap and the one most pictures stop at.
    first : float
        Share of the loss that the first of several timesteps has; 0 for as much as each of the others.
    operations : float
        Weight of the expected share of all synaptic operations in the loss, see :meth:`FloatNetwork.operations`.
    shift, rotation, zoom : float
        Largest augmentation, in pixels, degrees, and as a fraction.
    flip : bool
        Half of the pictures are mirrored.
    erase : int
        Side of a square that is blacked out, in pixels; 0 for none.

    Raises
    ------
    NetworkError
        If there is nothing to train for, or no rule that reaches ``target_timesteps``.
    """

    name: str
    dataset: str = "digits"
    shape: tuple[int, int, int] = (1, 8, 8)
    layers: tuple[AnySpec, ...]
    input_coding: Coding = Coding(window=24, tau=4, nearest=True)
    coding: Coding
    timesteps: int = 1
    leak_shift: int = 0
    reset: str = "none"
    start: float = 0.0
    start_from: str = ""
    levels: int = 0
    policy_of: str = ""
    penalty: float = 1.0
    hard: float = 1.0
    lead: float = 0.0
    exit_rule: str = "budget"
    target_timesteps: float = 0.0
    epochs: int
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.0
    momentum: float = 0.0
    smoothing: float = 0.0
    rounded: bool = False
    mean: bool = False
    average: float = 0.998
    clip_from: float = 0.0
    quantise_from: float = 0.0
    spike_from: float = 0.0
    freeze_from: float = 0.8
    unroll_from: float = 0.0
    first: float = 0.0
    again: int = 0
    again_rate: float = 0.0
    operations: float = 0.0
    shift: float = 1.0
    rotation: float = 10.0
    zoom: float = 0.1
    flip: bool = False
    erase: int = 0

    @property
    def all_epochs(self) -> int:
        """Of both rounds."""
        return self.epochs + self.again

    def __post_init__(self):
        if self.epochs < 1:
            raise NetworkError(f"epochs must be at least 1, not {self.epochs}")
        if 0 != self.target_timesteps < 1:
            raise NetworkError(f"target_timesteps must be at least 1, not {self.target_timesteps:g}")
        if self.target_timesteps and self.exit_rule == "budget" and not self.policy_of:
            raise NetworkError(f"{self.target_timesteps:g} timesteps on average take another exit_rule than budget")


TTFS = Coding(window=24, tau=4, nearest=True)


def convolutions(*channels: int | str, classes: int = 10) -> tuple[ConvSpec | LinearSpec, ...]:
    """3 x 3 convolutions of so many channels and a readout of so many classes.

    ``"pool"`` behind one halves its map by the earliest spikes, ``"stride"`` by leaving pixels out.
    """
    made = []
    for each in channels:
        if isinstance(each, str):
            made[-1] = made[-1].model_copy(update={each: 2})
        else:
            made.append(ConvSpec(name=f"conv{len(made) + 1}", channels=each, kernel=3, padding=1, batch_norm=True))
    return *made, LinearSpec(name="readout", channels=classes)


def comparing(*layers: AnySpec, classes: int = 10) -> tuple[AnySpec, ...]:
    """``layers`` up to the readout, and three that compare so many classes, see
    :func:`model.training.policy.begin_as_margin`.
    """
    return (*layers[:-1], LinearSpec(name="pairs", channels=classes * (classes - 1), coding=TTFS),
            LinearSpec(name="unbeaten", channels=classes, coding=TTFS), LinearSpec(name="readout", channels=2))


def residual(*stages: tuple[int, int], hidden: int | None = None, classes: int = 10) -> tuple[AnySpec, ...]:
    """A ResNet for small pictures (He et al., CVPR 2016): a convolution, for each stage of (channels, blocks) so many
    blocks of two convolutions and a shortcut, a linear layer of so many ``hidden`` neurons if any, and a readout.

    Where the channels change, the first convolution of a block takes every second pixel, and the shortcut is a
    convolution of one tap that does the same.
    """
    before = stages[0][0]
    made = [ConvSpec(name="conv", channels=before, kernel=3, padding=1, batch_norm=True)]
    for number, wide in enumerate(channels for channels, blocks in stages for _ in range(blocks)):
        name, source, stride = f"block{number + 1}", made[-1].name, 1 if wide == before else 2
        if stride == 1:
            skip = IdentitySpec(name=f"{name}_skip", channels=wide, source=source)
        else:
            skip = ConvSpec(name=f"{name}_skip", channels=wide, kernel=1, stride=2, source=source, partial=True,
                            batch_norm=True)
        made += [ConvSpec(name=f"{name}_in", channels=wide, kernel=3, stride=stride, padding=1, batch_norm=True), skip,
                 ConvSpec(name=f"{name}_out", channels=wide, kernel=3, padding=1, batch_norm=True)]
        before = wide
    made[-1] = made[-1].model_copy(update={"pool": 2})
    if hidden:
        made.append(LinearSpec(name="hidden", channels=hidden, batch_norm=True))
    return *made, LinearSpec(name="readout", channels=classes)


DIGITS = convolutions(16, 16, "pool", 32, "pool")
SMALL = convolutions(32, 32, "pool", 64, 64, "pool", 128, "pool")
# The earliest of several spikes is not the largest of several rates: what is converted has no pooling.
STRIDED = convolutions(32, 32, "stride", 64, 64, "stride", 128, "stride")
MEDIUM = convolutions(48, 48, "pool", 96, 96, "pool", 192, 192, "pool")
VGG16 = convolutions(64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool",
                     512, 512, 512, "pool")
RESNET20 = residual((16, 3), (32, 3), (64, 3))
# ResNet-19 as spiking networks have it (Zheng et al., AAAI 2021), but for the mean over the pixels of its last map.
RESNET19 = residual((128, 3), (256, 3), (512, 2), hidden=256)

# Conversion-aware training in its three stages (CAT: Lew et al., DAC 2022), whole pixels, no picture turned.
CAT = {"coding": TTFS, "batch": 128, "warmup": 0.1, "clip_from": 0.3, "quantise_from": 0.6,
       "spike_from": 0.7, "freeze_from": 0.9, "shift": 2.0, "rotation": 0.0, "zoom": 0.0}

# Direct training over timesteps (DT-SNN: Li et al., DAC 2023).
DIRECT = {"batch": 128, "warmup": 0.1, "quantise_from": 0.5, "freeze_from": 0.9, "unroll_from": 0.75,
          "exit_rule": "entropy", "shift": 2.0, "rotation": 0.0, "zoom": 0.0}
LIF = {"coding": Coding(window=1), "timesteps": 4, "leak_shift": 1, "reset": "zero"}
# Coarse first spikes, whose remainder the next timesteps bring.
GRADED = {"coding": Coding(window=8, tau=2, nearest=True), "timesteps": 3, "reset": "subtract"}
# A policy that is the first timestep of a LIF network, and compares what that says.
MARGIN = LIF | DIRECT | {
    "timesteps": 1, "lead": 1.5, "penalty": 2.0, "epochs": 1, "rate": 3e-5, "smoothing": 0.1, "flip": True,
    "quantise_from": 0.0, "freeze_from": 0.0, "exit_rule": "budget", "target_timesteps": 1.18}
# An activation of as many levels as there are timesteps becomes that many spikes (QCFS: Bu et al., ICLR 2022).
CONVERTED = {"coding": Coding(window=1), "timesteps": 8, "levels": 8, "reset": "subtract", "start": 0.5}

# Everything takes part from the start, and batch norm follows the batch anew.
THIRD_ROUND = CAT | {
    "dataset": "cifar10", "shape": (3, 32, 32), "layers": VGG16, "start_from": "cifar10-vgg16-start", "epochs": 12,
    "batch": 256, "rate": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "flip": True, "shift": 4.0, "erase": 12,
    "smoothing": 0.1, "average": 0.99, "rounded": True, "clip_from": 0.0, "quantise_from": 0.0, "spike_from": 0.0}
# Weak spikes are left out, and all others have a price.
SPARSE = THIRD_ROUND | {
    "coding": Coding(window=16, tau=4, nearest=True), "start_from": "cifar10-vgg16-ttfs", "epochs": 10}
# For a graphics card, or for a week.
DEEP_LIF = LIF | DIRECT | {
    "dataset": "cifar10", "shape": (3, 32, 32), "epochs": 100, "batch": 256, "rate": 0.1, "momentum": 0.9,
    "weight_decay": 5e-4, "flip": True, "shift": 4.0, "smoothing": 0.05, "average": 0.99, "rounded": True}

RECIPES = {made.name: made for made in (
    Recipe(name="digits-ttfs", layers=DIGITS, coding=TTFS, epochs=400,
           clip_from=0.2, quantise_from=0.4, spike_from=0.5, operations=0.3),
    Recipe(name="digits-lif", layers=DIGITS, coding=Coding(window=1), timesteps=4, leak_shift=1, reset="zero",
           exit_rule="entropy", epochs=300, quantise_from=0.4),
    Recipe(name="mnist-ttfs", dataset="mnist", shape=(1, 28, 28), layers=SMALL, epochs=25, operations=0.1,
           **CAT | {"rotation": 10.0, "zoom": 0.1}),
    Recipe(name="fashion-ttfs", dataset="fashion-mnist", shape=(1, 28, 28), layers=SMALL, epochs=40, operations=0.05,
           flip=True, smoothing=0.05, **CAT),
    Recipe(name="fashion-lif", dataset="fashion-mnist", shape=(1, 28, 28), layers=SMALL, epochs=24, flip=True,
           smoothing=0.05, **LIF, **DIRECT),
    # From first spikes of 24 slots to coarse ones, and then to several timesteps.
    Recipe(name="fashion-graded", dataset="fashion-mnist", shape=(1, 28, 28), layers=SMALL, epochs=8, rate=1e-3,
           flip=True, smoothing=0.05, operations=0.1, start_from="fashion-ttfs", **GRADED,
           **DIRECT | {"quantise_from": 0.0, "unroll_from": 0.5, "freeze_from": 0.5}),
    Recipe(name="fashion-if", dataset="fashion-mnist", shape=(1, 28, 28), layers=STRIDED, epochs=30, flip=True,
           smoothing=0.05, **CONVERTED, **DIRECT | {"unroll_from": 0.0, "spike_from": 0.3}),
    Recipe(name="fashion-policy", dataset="fashion-mnist", shape=(1, 28, 28), policy_of="fashion-lif",
           start_from="fashion-lif", layers=comparing(*SMALL), **MARGIN),
    # What both of the next two start from.
    Recipe(name="cifar10-vgg16-start", dataset="cifar10", shape=(3, 32, 32), layers=VGG16, epochs=24, momentum=0.9,
           weight_decay=5e-4, flip=True, erase=8, smoothing=0.1, average=0.99, rounded=True, again=12, again_rate=0.05,
           **CAT | {
               "batch": 256, "rate": 0.2, "clip_from": 0.5, "quantise_from": 0.7, "spike_from": 0.75, "shift": 4.0}),
    Recipe(name="cifar10-vgg16-ttfs", **THIRD_ROUND),
    Recipe(name="cifar10-vgg16-sparse-start", operations=0.12, again=7, again_rate=0.05, **SPARSE),
    Recipe(name="cifar10-vgg16-sparse", operations=0.14, mean=True, **SPARSE | {
        "start_from": "cifar10-vgg16-sparse-start"}),
    # A sum of several maps is clipped from the start; without that, it would grow from block to block.
    Recipe(name="cifar10-resnet20-ttfs", dataset="cifar10", shape=(3, 32, 32), layers=RESNET20, epochs=6, momentum=0.9,
           weight_decay=5e-4, flip=True, smoothing=0.05, average=0.99, **CAT | {
               "rate": 0.1, "clip_from": 0.0, "quantise_from": 0.5, "spike_from": 0.6, "shift": 4.0}),
    Recipe(name="cifar10-vgg16-lif", layers=VGG16, **DEEP_LIF),
    Recipe(name="cifar10-resnet19-lif", layers=RESNET19, **DEEP_LIF),
    Recipe(name="cifar10-lif-start", dataset="cifar10", shape=(3, 32, 32), layers=MEDIUM, epochs=26, flip=True,
           smoothing=0.05, again=5, again_rate=1e-3, **LIF, **DIRECT | {"unroll_from": 0.65, "shift": 3.0}),
    # Most pictures are to stop at the first timestep, so it has most of the loss.
    Recipe(name="cifar10-lif", dataset="cifar10", shape=(3, 32, 32), layers=MEDIUM, epochs=18, rate=2e-3, flip=True,
           smoothing=0.05, start_from="cifar10-lif-start", first=0.6, target_timesteps=1.45, **LIF,
           **DIRECT | {"quantise_from": 0.0, "unroll_from": 0.6, "exit_rule": "margin", "shift": 3.0}),
    # The layers of cifar10-lif in the two other families.
    Recipe(name="cifar10-ttfs", dataset="cifar10", shape=(3, 32, 32), layers=MEDIUM, epochs=30, flip=True,
           smoothing=0.05, **CAT | {"shift": 3.0}),
    Recipe(name="cifar10-graded", dataset="cifar10", shape=(3, 32, 32), layers=MEDIUM, epochs=8, rate=1e-3, flip=True,
           smoothing=0.05, start_from="cifar10-ttfs", **GRADED,
           **DIRECT | {"quantise_from": 0.0, "unroll_from": 0.5, "freeze_from": 0.5, "shift": 3.0}),
    Recipe(name="cifar10-policy", dataset="cifar10", shape=(3, 32, 32), policy_of="cifar10-lif",
           start_from="cifar10-lif", layers=comparing(*MEDIUM), **MARGIN | {"shift": 3.0}),
    # A policy that is small, and knows the classes beforehand: it sees better which pictures are hard.
    Recipe(name="cifar10-policy-start", dataset="cifar10", shape=(3, 32, 32),
           layers=convolutions(32, "stride", 64, "stride", 64, "stride"), epochs=30, flip=True, smoothing=0.05,
           **CAT | {"shift": 3.0}),
    Recipe(name="cifar10-graded-policy", dataset="cifar10", shape=(3, 32, 32), policy_of="cifar10-graded",
           layers=convolutions(32, "stride", 64, "stride", 64, "stride", classes=3), start_from="cifar10-policy-start",
           epochs=6, rate=1e-3, penalty=4.0, target_timesteps=1.2, flip=True, erase=8, smoothing=0.05,
           **CAT | {"shift": 3.0, "clip_from": 0.0, "quantise_from": 0.0, "spike_from": 0.0}),
)}


def tuning(chosen: Recipe, name: str, layers: tuple[AnySpec, ...], epochs: int) -> Recipe:
    """A few epochs of ``chosen`` as it ends, at a tenth of its rate, for a network with other ``layers``."""
    return replace(chosen, name=name, layers=layers, epochs=epochs, start_from=chosen.name, rate=chosen.rate / 10,
                   clip_from=0.0, quantise_from=0.0, spike_from=0.0, freeze_from=0.0, unroll_from=0.0, again=0,
                   mean=False, target_timesteps=0.0)


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
