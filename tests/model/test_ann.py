import re

import pytest
import torch
from torch import nn

from model.__main__ import main
from model.ann import from_torch
from model.convert import convert
from model.datasets import load
from model.network import NetworkError
from model.trained import load as load_trained
from model.training.measure import accuracies, observe


@pytest.fixture(scope="module")
def data():
    return load("digits")


@pytest.fixture(scope="module")
def trained_ann(data):
    """A plain network, trained as anybody would."""
    torch.manual_seed(1)
    ann = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1), nn.Flatten(),
        nn.Linear(512, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(ann.parameters(), lr=3e-3)
    for _ in range(15):
        for batch in torch.randperm(len(data.train)).split(64):
            loss = nn.functional.cross_entropy(ann(data.train.images[batch]), data.train.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return ann.eval()


def test_a_plain_network_loses_little(data, trained_ann):
    converted = from_torch(trained_ann, data.train.images, name="plain", dataset="digits")
    with torch.no_grad():
        before = (trained_ann(data.test.images).argmax(1) == data.test.labels).double().mean().item()
    after, = accuracies(observe(convert(converted), data.test), data.test.labels)
    assert before > 0.97 and after > before - 0.015


def test_layers_keep_their_shapes(data, trained_ann):
    network = convert(from_torch(trained_ann, data.train.images[:50], name="plain", dataset="digits"), unfold_limit=0)
    assert network.maps() == [(1, 8, 8), (16, 8, 8), (32, 4, 4), (64, 1, 1), (10, 1, 1)]
    assert [layer.pool for layer in network.layers] == [1, 2, 1, 1]


def test_with_nothing_clipped_activations_are_shares_of_the_largest(data):
    torch.manual_seed(2)
    ann = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).eval()
    images = data.train.images[:100]
    converted = from_torch(ann, images, name="plain", dataset="digits", kept=1.0)
    first, second = (converted.tensors[f"layer{n}.weight"] for n in (1, 2))
    with torch.no_grad():
        largest = ann[:2](images).max()
    torch.testing.assert_close(first * largest, ann[0].weight.detach())
    torch.testing.assert_close(second / largest, ann[3].weight.detach())
    torch.testing.assert_close(converted.tensors["layer2.bias"], ann[3].bias.detach())


@pytest.mark.parametrize("layers, message", [
    ([nn.Conv2d(1, 4, 3), nn.Sigmoid()], "network plain: Sigmoid is not supported; supported are Conv2d, BatchNorm1d, "
     "BatchNorm2d, ReLU, MaxPool2d, Flatten, Dropout, Identity, Linear"),
    ([nn.ReLU(), nn.Linear(64, 10)], "network plain: ReLU stands before the first layer"),
    ([nn.Flatten()], "network plain: there is no layer in it"),
    ([nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10)],
     "network plain: Conv2d number 1 must be followed by a ReLU"),
    ([nn.Flatten(), nn.Linear(64, 10), nn.ReLU()], "network plain: its last layer has a ReLU behind it"),
    ([nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10)],
     "network plain: MaxPool2d stands where there is no counterpart; a layer is followed by batch norm, ReLU and max "
     "pooling, in this order"),
    ([nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(16, 10)],
     "network plain: MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False) is not supported; a "
     "pooling window is square and its own stride"),
    ([nn.Conv2d(1, 4, (3, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(192, 10)],
     "network plain: Conv2d(1, 4, kernel_size=(3, 1), stride=(1, 1)) is not supported; kernel, stride and padding are "
     "square numbers of pixels, without groups or dilation"),
    ([nn.Conv2d(1, 4, 3, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)],
     "network plain: Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=same) is not supported; kernel, stride "
     "and padding are square numbers of pixels, without groups or dilation"),
])
def test_names_what_has_no_counterpart(layers, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        from_torch(nn.Sequential(*layers), torch.rand(4, 1, 8, 8), name="plain", dataset="digits")


def test_refuses_a_share_that_is_none():
    with pytest.raises(NetworkError, match="the share of activations that are kept lies between 0 and 1, not 0"):
        from_torch(nn.Sequential(nn.Linear(64, 10)), torch.rand(4, 1, 8, 8), name="plain", dataset="digits", kept=0)


def test_the_command_says_what_is_lost(tmp_path, trained_ann, capsys):
    torch.save(trained_ann.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "mine.py").write_text(f"""
import torch
from torch import nn

def make():
    ann = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1), nn.Flatten(),
        nn.Linear(512, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    ann.load_state_dict(torch.load("{tmp_path / 'weights.pt'}", weights_only=True))
    return ann
""")
    command = ["import", f"{tmp_path / 'mine.py'}:make", "plain", "--dataset", "digits", "--out", str(tmp_path)]
    assert main(command) == 0
    before, after = re.search(r"plain: validation accuracy ([\d.]+)% in PyTorch, ([\d.]+)% with first spikes",
                              capsys.readouterr().out).groups()
    written = load_trained(tmp_path / "plain")
    assert written.header.validation_accuracy == (pytest.approx(float(after) / 100, abs=1e-4),)
    assert float(before) > 97


@pytest.mark.parametrize("module, message", [
    ("mine.py", "the network is FILE.py:FUNCTION, not 'mine.py'"),
    ("/nowhere/mine.py:make", "the network is FILE.py:FUNCTION, and there is no file /nowhere/mine.py"),
    (f"{__file__}:nothing", f"{__file__} has no function nothing"),
    (f"{__file__}:a_module", f"{__file__}:a_module must give a torch.nn.Sequential, not ReLU"),
])
def test_the_command_refuses_in_one_sentence(module, message, capsys):
    assert main(["import", module, "plain", "--dataset", "digits"]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def a_module():
    return nn.ReLU()
