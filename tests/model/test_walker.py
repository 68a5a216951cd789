import pytest
import torch

from model.config import LANES, SILENT
from model.network import Layer
from model.walker import spike_count, synapses, words


def layer_of(in_channels, kernel, **settings):
    return Layer(name="conv", weight=torch.zeros(1, in_channels, *kernel, dtype=torch.uint8),
                 bias=torch.zeros(1, dtype=torch.int32), gain=torch.zeros(1, dtype=torch.int32), **settings)


def random_codes(*shape):
    return torch.randint(31, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kernel, stride, padding, pool", [
    ((1, 1), 1, 0, 1), ((3, 3), 1, 1, 1), ((3, 3), 2, 1, 1), ((2, 3), 1, 0, 2), ((5, 5), 1, 2, 3), ((7, 7), 3, 3, 1),
    ((6, 8), 1, 0, 1), ((1, 8), 1, 0, 2), ((7, 6), 2, 5, 2)])
def test_every_synapse_reads_the_code_under_its_tap(kernel, stride, padding, pool):
    codes = random_codes(2, 3, 6, 8)
    layer = layer_of(3, kernel, stride=stride, padding=padding, pool=pool)
    height, width = (side // pool * pool for side in layer.pixels((6, 8)))
    read = synapses(codes, layer)
    assert read.shape == (2, 3 * kernel[0] * kernel[1], height * width)

    def code(image, channel, row, column):
        return int(codes[image, channel, row, column]) if 0 <= row < 6 and 0 <= column < 8 else SILENT

    expected = [[[code(image, channel, y * stride + tap_y - padding, x * stride + tap_x - padding)
                  for y in range(height) for x in range(width)]
                 for channel in range(3) for tap_y in range(kernel[0]) for tap_x in range(kernel[1])]
                for image in range(2)]
    assert read.tolist() == expected
    assert (int((read == SILENT).sum()) > 0) == (padding > 0)


def test_pixels_outside_every_pooling_window_are_left_out():
    # 5 x 7 pixels, of which 4 x 6 are pooled.
    read = synapses(random_codes(1, 1, 5, 7), layer_of(1, (1, 1), pool=2))
    assert read.flatten().tolist() == random_codes(1, 1, 5, 7)[0, 0, :4, :6].flatten().tolist()


@pytest.mark.parametrize("channels, count", [(1, 1), (15, 1), (16, 1), (17, 2), (32, 2), (40, 3)])
def test_words_hold_neighbouring_channels_and_end_in_silence(channels, count):
    codes = random_codes(2, channels, 3, 2)
    packed = words(codes)
    assert packed.shape == (2, 3, 2, count, LANES)
    lanes = packed.flatten(3)
    assert torch.equal(lanes[..., :channels].permute(0, 3, 1, 2), codes)
    assert bool((lanes[..., channels:] == SILENT).all())


def test_spikes_are_counted_image_by_image():
    codes = torch.randint(32, (3, 4, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    codes[1] = SILENT
    assert spike_count(codes).tolist() == [sum(code != SILENT for code in image.flatten().tolist()) for image in codes]
    assert spike_count(codes)[1] == 0 and spike_count(codes).dtype == torch.int64
