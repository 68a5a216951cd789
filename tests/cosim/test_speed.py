import re
from dataclasses import asdict

import pytest

from cosim import speed
from cosim.__main__ import main
from cosim.cycles import CONFIGS
from model.config import preset


@pytest.mark.parametrize("arguments, message", [
    (["--images", "0"], "--images must be between 1 and 360, not 0"),
    (["--images", "361"], "--images must be between 1 and 360, not 361"),
    (["--repeats", "0"], "--repeats must be at least 1, not 0")])
def test_a_mistake_is_one_sentence(arguments, message, capsys):
    assert main(["speed", *arguments, "--trial"]) == 1
    assert re.fullmatch(f"error: {message}\n", capsys.readouterr().err)


def test_model_and_simulation_are_measured(monkeypatch):
    # A configuration that is built for other tests already.
    sizes = {name: value for name, value in asdict(preset("tiny")).items() if name != "numerics"}
    monkeypatch.setattr(speed, "SIZES", sizes)
    found = speed.figures(images=3, repeats=1)
    assert [(run["network"], run["config"]) for run in found["model"]] == [
        (network, config) for network in ("digits-ttfs", "digits-lif") for config in CONFIGS]
    assert all(run["rate"] > 0 and run["wall"] > 0 for run in found["model"])
    asleep, whole = (found["simulation"][part] for part in ("asleep", "whole"))
    # About three thousand cycles a picture, and more to load it.
    assert 3 * 2000 < asleep["cycles"] < whole["cycles"] < 3 * 8000
    assert asleep["rate"] > whole["rate"] > 0
    assert set(speed.headline(found).values()) == {
        *(run["rate"] for run in found["model"]), asleep["rate"], whole["rate"]}
