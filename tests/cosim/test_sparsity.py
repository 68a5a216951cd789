import pytest

from cosim.__main__ import main
from cosim.sparsity import figures
from model import record
from model.network import NetworkError


def test_a_price_and_a_shorter_window_save_operations(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    command = ["sparsity", "digits-ttfs", "--prices", "0", "20", "--windows", "24", "6", "--epochs", "2",
               "--build", str(tmp_path / "build")]
    assert main(command) == 0
    assert "digits-ttfs-20: epoch 2 of 2" in capsys.readouterr().out
    points = record.read("sparsity")
    for knob, curve in (("price", "prices"), ("window", "windows")):
        one, other = points[curve]
        assert one[knob] != other[knob] and other["synaptic_operations"] < 0.95 * one["synaptic_operations"]
    assert points["prices"][0]["accuracy"] > 0.97
    shown = (tmp_path / "sparsity.svg").read_text()
    assert "digits-ttfs" in shown and "price of an operation" in shown


def test_refuses_a_network_of_several_timesteps(tmp_path):
    with pytest.raises(NetworkError, match="network digits-lif runs 4 timesteps; the knobs are those of one"):
        figures("digits-lif", [0.0], [24], 1, tmp_path, None)
