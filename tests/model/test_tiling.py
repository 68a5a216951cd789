from dataclasses import replace

import pytest
import torch

from model.compiler import compile
from model.config import NO_SYNAPSE, ProcessorConfig, Target
from model.network import Coding, Layer, Network
from model.tiling import Tiling, tilings

FOUR = ProcessorConfig(columns=16, tiles=4, walkers=4, encoders=8, rows=8192)


def layer(name, out, of, kernel=1, **settings):
    return Layer(name=name, weight=torch.full((out, of, kernel, kernel), 8, dtype=torch.uint8),
                 bias=torch.zeros(out, dtype=torch.int32), gain=torch.zeros(out, dtype=torch.int32), **settings)


def network(out, side, pool=1):
    """One convolution over a map, and a readout of everything it emits."""
    return Network(name="net", shape=(2, side, side), input_coding=Coding(), layers=(
        layer("hidden", out, 2, pool=pool), layer("readout", 10, out, side // pool, readout=True)))


@pytest.mark.parametrize("out, side, pool, walkers, groups", [
    (16, 8, 1, 4, (16,)),           # a tile for each output pixel
    (17, 8, 1, 2, (17,)),           # two tiles
    (33, 8, 1, 4, (16, 16, 1)),     # three groups of four pixels rather than one tile idle
    (64, 8, 1, 1, (64,)),           # all tiles: as fast as four walks of four pixels, and fewer walkers
    (80, 8, 1, 4, (16,) * 5),       # rather than two groups of 64
    (16, 8, 4, 2, (16,)),           # two pooling windows on a line
    (16, 8, 8, 1, (16,)),           # a single window
    (16, 3, 1, 2, (16,))])          # three pixels on a line: walkers are a power of two
def test_the_fewest_walks_one_after_another_win(out, side, pool, walkers, groups):
    hidden, readout = tilings(network(out, side, pool), FOUR)
    assert hidden == Tiling(walkers=walkers, groups=groups)
    assert readout == Tiling(walkers=1, groups=(10,))


def test_takes_fewer_rows_where_the_tiles_have_no_more():
    # 33 channels in three groups of 16 take 6 rows of 2, in one group 2; the readout has one pixel of 33 x 64.
    hidden, _ = tilings(network(33, 8), replace(FOUR, rows=6 + 33 * 64))
    assert hidden.groups == (16, 16, 1)
    hidden, _ = tilings(network(33, 8), replace(FOUR, rows=5 + 33 * 64))
    assert hidden == Tiling(walkers=1, groups=(33,))


def test_one_walker_has_all_tiles():
    for out in (1, 16, 64, 65, 200):
        hidden, _ = tilings(network(out, 8), replace(FOUR, walkers=1))
        assert hidden.walkers == 1 and len(hidden.groups) == -(-out // 64) and sum(hidden.groups) == out


def test_the_tiles_of_every_walker_hold_the_same_weights():
    net = network(33, 8)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randint(NO_SYNAPSE, net.layers[0].weight.shape, dtype=torch.uint8, generator=generator)
    net = replace(net, layers=(replace(net.layers[0], weight=weight), net.layers[1]))
    image = compile(net, replace(FOUR, spike_words=1024))
    tiles = [section.entries for section in image.sections if section.target >= Target.TILES]
    # Three groups of two rows, then the readout, which is in the first tile only.
    assert all((tile[:6] == tiles[0][:6]).all() for tile in tiles)
    assert not (tiles[1][6:] == tiles[0][6:]).all()
    codes = tiles[2][:6] >> 0 & 31
    assert codes[:, 0].tolist() == [*weight[0, :, 0, 0], *weight[16, :, 0, 0], *weight[32, :, 0, 0]]
