import math

import pytest
import torch

from model.config import GRAINS, NO_SYNAPSE, SIGN_BIT, Numerics
from model.quantise import bias_codes, largest_magnitude, pack, unpack, weight_codes, weight_values


def code_of(weight, scale, grain):
    """One weight's code, by trying every exponent."""
    magnitude = abs(weight) / scale
    if magnitude < 2 ** (-14 * grain / 4) / 2:
        return NO_SYNAPSE
    distances = [abs(math.log2(magnitude) + exponent * grain / 4) for exponent in range(15)]
    return distances.index(min(distances)) + SIGN_BIT * (weight < 0)


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("per_channel", [False, True])
def test_codes_are_the_nearest_in_the_logarithm(grain, per_channel):
    torch.manual_seed(grain)
    weight = torch.randn(4, 3, 5, 5, dtype=torch.float64) * 2 ** (4 * torch.randn(4, 3, 5, 5, dtype=torch.float64))
    codes, gain = weight_codes(weight, grain, largest_magnitude(weight, per_channel))
    for channel in range(4):
        largest = weight[channel].abs().max() if per_channel else weight.abs().max()
        assert gain[channel] == round(4 * math.log2(largest))
        expected = [code_of(w, 2 ** (gain[channel].item() / 4), grain) for w in weight[channel].flatten().tolist()]
        assert codes[channel].flatten().tolist() == expected
    assert (codes == NO_SYNAPSE).any() and (codes % SIGN_BIT == 14).any()


@pytest.mark.parametrize("grain", GRAINS)
def test_values_of_codes_have_these_codes(grain):
    codes = torch.tensor([[m + sign for m in range(15) for sign in (0, SIGN_BIT)] + [NO_SYNAPSE]] * 3,
                         dtype=torch.uint8)
    gain = torch.tensor([-9, 0, 14], dtype=torch.int32)
    values = weight_values(codes, gain, grain)
    assert values[1, :3].tolist() == pytest.approx([1, -1, 2 ** (-grain / 4)], rel=1e-15) and (values[:, -1] == 0).all()
    again, same_gain = weight_codes(values, grain)
    assert again.equal(codes) and same_gain.equal(gain)


def test_a_weight_below_half_of_the_smallest_is_no_synapse():
    smallest = 2 ** (-14 * 2 / 4)
    codes, _ = weight_codes(torch.tensor([[1, smallest / 2, smallest / 2.001, 0]], dtype=torch.float64), 2)
    assert codes.tolist() == [[0, 14, NO_SYNAPSE, NO_SYNAPSE]]


def test_a_channel_without_weights_has_gain_0_and_no_synapse():
    weight = torch.tensor([[0.0, 0.0], [0.5, -0.25]])
    codes, gain = weight_codes(weight, 2)
    assert codes.tolist() == [[NO_SYNAPSE, NO_SYNAPSE], [0, 2 + SIGN_BIT]] and gain.tolist() == [0, -4]
    assert weight_values(codes, gain, 2).tolist() == weight.tolist()


def test_one_scale_for_all_serves_a_dead_tensor_too():
    codes, gain = weight_codes(torch.zeros(3, 2), 2, torch.zeros(3))
    assert (codes == NO_SYNAPSE).all() and gain.tolist() == [0, 0, 0]


def test_a_bias_is_in_units_of_its_columns_scale():
    bias, gain = torch.tensor([1.0, -0.5, 1 / 4096 * 0.6]), torch.tensor([0, 4, 0], dtype=torch.int32)
    assert bias_codes(bias, gain, Numerics()).tolist() == [4096, -1024, 1]
    assert bias_codes(bias, gain, Numerics(fraction_width=8)).tolist() == [256, -64, 0]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_packed_codes_take_five_bits_and_come_back(count):
    codes = torch.randint(32, (count,), dtype=torch.uint8, generator=torch.Generator().manual_seed(count))
    packed = pack(codes)
    assert packed.shape == (-(-count * 5 // 8),) and unpack(packed, (count,)).equal(codes)


def test_packed_codes_lie_one_behind_the_other_from_the_highest_bit_on():
    assert pack(torch.tensor([0b10101, 0b00011], dtype=torch.uint8)).tolist() == [0b10101000, 0b11000000]
