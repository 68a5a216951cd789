"""What the recipes build that need a graphics card, before anything is trained."""

from dataclasses import replace

import pytest

from model.compiler import compile
from model.config import preset
from model.convert import convert
from model.training.recipes import recipe
from model.training.train import Run, network

STREAM = preset("stream")


@pytest.mark.parametrize("name, depth, weights, cfg", [
    ("cifar10-vgg16-lif", 14, 14_715_584, STREAM),
    # The paper's 12.6 million, and those of pixels whose mean it takes.
    ("cifar10-resnet19-lif", 19, 14_653_312,
     replace(STREAM, rows=32768, state_words=131072, charge_words=8192, layers=255))])
def test_an_untrained_network_has_its_layers_and_fits_a_processor(name, depth, weights, cfg):
    chosen = recipe(name)
    assert sum(spec.kind != "identity" and not spec.name.endswith("_skip") for spec in chosen.layers) == depth
    untrained = network(Run(chosen, seed=1).network)
    assert sum(tensor.numel() for key, tensor in untrained.tensors.items() if key.endswith(".weight")) == weights
    compile(convert(untrained), cfg)
