import pytest
import torch
from torch.nn import functional

from model.encode import decode, encode
from model.network import Coding
from model.trained import ConvSpec
from model.training.kernels import SURROGATE_SLOPE, Clip, MaxPool, SmallConvolution, Staircase, Threshold
from model.training.layers import FloatLayer, Stage
from model.training.winograd import BLOCK, WinogradConvolution


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("coding", [Coding(window=24, nearest=True), Coding(window=24),
                                    Coding(window=8, tau=2, nearest=True), Coding(window=31)])
def test_the_staircase_is_what_the_hardware_encodes_and_decodes(coding, generator):
    values = torch.rand(10_000, generator=generator) ** 4
    values[:3] = torch.tensor([0, 1, 0.5])
    torch.testing.assert_close(Staircase.apply(values, coding), decode(encode(values[None], coding), coding)[0])


def test_the_threshold_has_the_slope_of_an_arc_tangent():
    potential = torch.linspace(-2, 4, 25, requires_grad=True)
    spikes = Threshold.apply(potential)
    assert spikes.equal((potential >= 1).float())
    soft = (torch.pi / 2 * SURROGATE_SLOPE * (potential - 1)).atan() / torch.pi
    torch.testing.assert_close(*(torch.autograd.grad(each.sum(), potential)[0] for each in (spikes, soft)))


@pytest.mark.parametrize("top", [1, torch.inf])
def test_clips_as_torch_does_in_both_directions(top, generator):
    values = torch.randn(1000, generator=generator, requires_grad=True)
    ours, theirs = Clip.apply(values, top), values.clamp(0, top)
    assert ours.equal(theirs)
    assert torch.autograd.grad(ours.sum(), values)[0].equal(torch.autograd.grad(theirs.sum(), values)[0])


@pytest.mark.parametrize("size, sides", [(2, (6, 8)), (2, (7, 5)), (3, (9, 10))])
def test_pools_as_torch_does_in_both_directions(size, sides, generator):
    values = torch.randn(2, 3, *sides, generator=generator, requires_grad=True)
    ours = MaxPool.apply(values.permute(0, 2, 3, 1), size).permute(0, 3, 1, 2)
    theirs = functional.max_pool2d(values, size)
    weight = torch.randn(theirs.shape, generator=generator)
    assert ours.equal(theirs)
    assert torch.autograd.grad((ours * weight).sum(), values)[0].equal(
        torch.autograd.grad((theirs * weight).sum(), values)[0])


@pytest.mark.parametrize("kernel, padding", [((3, 3), 1), ((1, 1), 0), ((2, 4), 0), ((5, 5), 2), ((4, 2), 1)])
def test_convolves_as_torch_does_in_both_directions(kernel, padding, generator):
    values = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 3, *kernel, generator=generator, dtype=torch.float64, requires_grad=True)
    ours, theirs = SmallConvolution.apply(values, weight, padding), functional.conv2d(values, weight, None, 1, padding)
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn(theirs.shape, generator=generator, dtype=torch.float64)
    for mine, other in zip(*(torch.autograd.grad((charge * slope).sum(), (values, weight))
                             for charge in (ours, theirs))):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("images, sides", [(3, (8, 8)), (2, (5, 7)), (BLOCK + 3, (4, 4))])
def test_winograd_convolves_as_torch_does_in_both_directions(images, sides, generator):
    values = torch.randn(images, 3, *sides, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    theirs = functional.conv2d(values, weight, None, 1, 1)
    slope = torch.randn(theirs.shape, generator=generator, dtype=torch.float64)
    with torch.compiler.set_stance("force_eager"):
        ours = WinogradConvolution.apply(values, weight)
        torch.testing.assert_close(ours, theirs)
        for mine, other in zip(*(torch.autograd.grad((charge * slope).sum(), (values, weight))
                                 for charge in (ours, theirs))):
            torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("channels, side, suits", [((64, 64), 8, True), ((32, 64), 8, False), ((64, 32), 8, False),
                                                   ((64, 64), 3, False)])
def test_layers_of_many_channels_are_convolved_by_winograd_in_float32(channels, side, suits, generator):
    spec = ConvSpec(name="conv", channels=channels[1], kernel=3, padding=1)
    layer = FloatLayer(spec, (channels[1], channels[0], 3, 3), 2, per_channel=True)
    spikes = torch.rand(2, channels[0], side, side, generator=generator)
    assert layer._suits_winograd(spikes) == suits
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer._suits_winograd(spikes)
    plain = layer.charge(spikes, Stage())
    layer.compiled = True
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(layer.charge(spikes, Stage()), plain, rtol=1e-4, atol=1e-4)
