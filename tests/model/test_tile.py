import pytest
import torch

from model.config import GRAINS, NO_SYNAPSE, SIGN_BIT, SILENT, Numerics
from model.logarithm import synapse
from model.tile import charge_bound, integrate
from tests import scalar


def operands(seed, images=2, rows=50, pixels=9, out=20, connected=0.9):
    """Spike codes and weight codes of every kind, shuffled over all 32."""
    generator = torch.Generator().manual_seed(seed)
    synapses = torch.randint(32, (images, rows, pixels), generator=generator)
    weight = torch.randint(2 * SIGN_BIT, (out, rows), dtype=torch.uint8, generator=generator)
    kept = torch.rand(weight.shape, generator=generator) < connected
    return synapses.to(torch.uint8), weight.where(kept, NO_SYNAPSE)


@pytest.mark.parametrize("weight_grain", GRAINS)
@pytest.mark.parametrize("input_grain", GRAINS)
def test_charges_are_the_sums_of_their_synapses(weight_grain, input_grain):
    synapses, weight = operands(weight_grain * 8 + input_grain, rows=30, pixels=4, out=10)
    charge = integrate(synapses, weight, weight_grain=weight_grain, input_grain=input_grain, numerics=Numerics())
    codes, weights = synapses.int().tolist(), weight.tolist()
    expected = [[[sum(scalar.synapse(column[row], image[row][pixel] * input_grain, weight_grain, 12)
                      for row in range(30) if image[row][pixel] != SILENT)
                  for pixel in range(4)] for column in weights] for image in codes]
    assert charge.tolist() == expected
    assert charge.dtype == torch.int32
    assert charge.unique().numel() > 60


def by_integers(synapses, weight, weight_grain, input_grain, numerics):
    """The crossbar in int64, synapse by synapse."""
    levels = synapses.long()[:, None] * input_grain
    charge = synapse(weight[..., None], levels, weight_grain, numerics).long()
    return charge.where(synapses[:, None] != SILENT, 0).sum(2)


def inside(charge, bound):
    """Whether charges (images, out, pixels) lie within the bounds of their columns."""
    return bool((charge.amin((0, 2)) >= -bound[0]).all() and (charge.amax((0, 2)) <= bound[1]).all())


# Kernels and channels from which convolution backends have been known to pick other algorithms.
@pytest.mark.parametrize("rows", [9, 27, 16 * 9, 64 * 9, 128 * 9, 40 * 49, 4095])
def test_float32_products_are_exact_up_to_the_largest_sum_an_accumulator_can_see(rows):
    numerics = Numerics()
    synapses, weight = operands(rows, images=1, rows=rows, pixels=8, out=24, connected=1.0)
    # Odd magnitudes, all of one sign, all in one of the first slots: sums close to 2^24.
    synapses[:, :, :4] = synapses[:, :, :4] % 2
    synapses[:, :, 0] = 0
    weight[:8] %= 2
    weight[8:16] = weight[8:16] % 2 + SIGN_BIT
    weight[0], weight[8] = 0, SIGN_BIT
    for weight_grain, input_grain in ((1, 1), (2, 1), (4, 4)):
        bound = charge_bound(weight, weight_grain=weight_grain, numerics=numerics)
        assert bound.amax(1).tolist() == [rows * 4096] * 2 and rows * 4096 < 1 << 24
        charge = integrate(synapses, weight, weight_grain=weight_grain, input_grain=input_grain, numerics=numerics)
        assert torch.equal(charge.long(), by_integers(synapses, weight, weight_grain, input_grain, numerics))
        assert inside(charge, bound)
        assert (int(charge.min()), int(charge.max())) == (-rows * 4096, rows * 4096)


def test_the_bound_is_reached_when_every_synapse_of_one_sign_spikes_first():
    weight = operands(1)[1] % SIGN_BIT
    synapses = torch.zeros(1, weight.shape[1], 1, dtype=torch.uint8)
    for grain in GRAINS:
        bound = charge_bound(weight, weight_grain=grain, numerics=Numerics())
        charge = integrate(synapses, weight, weight_grain=grain, input_grain=1, numerics=Numerics())
        assert (bound[0] == 0).all() and charge.flatten().tolist() == bound[1].tolist()
        negative = integrate(synapses, weight + SIGN_BIT, weight_grain=grain, input_grain=1, numerics=Numerics())
        below = charge_bound(weight + SIGN_BIT, weight_grain=grain, numerics=Numerics())
        assert (below[1] == 0).all() and negative.flatten().tolist() == (-below[0]).tolist()


def test_no_partial_sum_leaves_the_bound_in_any_order():
    synapses, weight = operands(2)
    bound = charge_bound(weight, weight_grain=1, numerics=Numerics())
    for seed in range(5):
        order = torch.randperm(weight.shape[1], generator=torch.Generator().manual_seed(seed))
        steps = [by_integers(synapses[:, order[:rows]], weight[:, order[:rows]], 1, 1, Numerics())
                 for rows in range(1, len(order) + 1)]
        assert all(inside(step, bound) for step in steps)
        whole = integrate(synapses, weight, weight_grain=1, input_grain=1, numerics=Numerics())
        assert torch.equal(steps[-1], whole.long()), "the order of the events changed the sum"


def test_silence_adds_nothing():
    synapses, weight = operands(3)
    charge = integrate(torch.full_like(synapses, SILENT), weight, weight_grain=1, input_grain=1, numerics=Numerics())
    assert not charge.any()


def test_the_last_code_before_silence_is_still_a_spike():
    weight = torch.zeros(1, 1, dtype=torch.uint8)
    charges = [int(integrate(torch.tensor([[[code]]], dtype=torch.uint8), weight, weight_grain=2, input_grain=1,
                             numerics=Numerics())) for code in (29, 30, 31)]
    assert charges == [3444 >> 7, 2896 >> 7, 0]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_window_of_one_slot_charges_as_any_other(slots):
    synapses, weight = operands(4)
    synapses = synapses.where(synapses == SILENT, synapses % slots)
    charge = integrate(synapses, weight, weight_grain=2, input_grain=4, numerics=Numerics())
    assert torch.equal(charge.long(), by_integers(synapses, weight, 2, 4, Numerics())) and charge.any()
