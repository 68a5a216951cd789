from dataclasses import replace

import pytest
import torch

from model.config import preset
from model.network import Coding, Layer, Network
from model.processor import trace
from model.training.measure import dense_operations


def everyone_spikes(timesteps, **options):
    """A network whose neurons all spike in every timestep: no weight is negative, and each is the threshold."""
    zeros = torch.zeros(3, dtype=torch.int32)
    hidden = Layer(name="hidden", weight=torch.zeros(3, 2, 3, 3, dtype=torch.uint8), padding=1, pool=2, bias=zeros,
                   gain=zeros, **options)
    readout = Layer(name="readout", weight=torch.zeros(2, 3, 2, 3, dtype=torch.uint8), readout=True, bias=zeros[:2],
                    gain=zeros[:2])
    return Network(name="loud", shape=(2, 5, 7), input_coding=Coding(), layers=(hidden, readout), timesteps=timesteps)


@pytest.mark.parametrize("timesteps, options", [(1, {}), (3, {}), (3, {"mask": 0b101, "hold": True}),
                                                (3, {"recall": True})])
def test_dense_operations_are_those_of_a_network_in_which_everyone_spikes(timesteps, options):
    network = everyone_spikes(timesteps, **options)
    counted = trace(network, torch.zeros(1, *network.shape, dtype=torch.uint8), preset("tiny")).counters
    assert dense_operations(network) == counted["synaptic_operations"][:, -1].sum().item()
    if timesteps == 1:
        # Of 5 x 7 pixels, pooling covers 4 x 6, which read 11 x 17 taps of each channel.
        assert dense_operations(network) == 3 * 2 * 11 * 17 + 2 * 3 * 2 * 3


def test_a_layer_that_rests_costs_nothing():
    network = everyone_spikes(2)
    hidden, readout = network.layers
    resting = replace(network, layers=(replace(hidden, mask=0b01, hold=True), readout))
    assert dense_operations(network) - dense_operations(resting) == 3 * 2 * 11 * 17
