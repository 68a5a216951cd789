from itertools import islice

import pytest

from cosim import soak
from cosim.__main__ import main
from cosim.simulator import BenchError
from model import record


class Remembers:
    """A simulation that only remembers which networks it was asked for."""

    asked = []

    def __init__(self, verilog, name):
        pass

    def run(self, bench, folder, *, parameters, **options):
        if 9 in parameters["seeds"]:
            raise BenchError(f"{bench}: random network 9 differs")
        self.asked.append((bench, parameters["seeds"]))


@pytest.fixture
def asked(monkeypatch, tmp_path):
    monkeypatch.setattr(soak, "Simulation", Remembers)
    monkeypatch.setattr(soak, "system", lambda cfg: "")
    monkeypatch.setattr(soak, "STREAMING", {})
    monkeypatch.setattr(soak, "MOVING", {})
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(Remembers, "asked", [])
    return Remembers.asked


def test_every_processor_has_networks_of_its_own_in_batches(asked, tmp_path):
    assert main(["soak", "--networks", "110", "--first", "20", "--out", str(tmp_path)]) == 0
    seeds = [seed for _, batch in asked for seed in batch]
    assert len(seeds) == len(set(seeds)) == 110 and min(seeds) == 20
    assert [len(batch) for _, batch in asked] == [25, 3, 25, 3, 25, 2, 25, 2]
    figures = record.read("soak")
    assert sum(its["networks"] for its in figures.values()) == 110
    assert figures["walkers"] == {"networks": 27, "pictures": 54, "last": 127}


def test_a_network_that_disagrees_is_named_and_nothing_is_put_on_file(asked, tmp_path, capsys):
    assert main(["soak", "--networks", "30", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: cosim.bench_system: random network 9 differs\n"
    assert record.read("soak") is None


@pytest.mark.parametrize("option, said", [("--networks", "--networks must be at least 1, not -2"),
                                          ("--first", "--first must be at least 0, not -2")])
def test_nothing_to_run_is_one_sentence(asked, option, said, capsys):
    assert main(["soak", option, "-2"]) == 1
    assert capsys.readouterr().err == f"error: {said}\n"


def test_networks_that_are_streamed_come_in_the_order_of_their_seeds():
    cfg = soak.ProcessorConfig(**soak.STREAMING["64 bits"])
    seeds = list(islice(soak.streaming_seeds(cfg), 3))
    assert seeds == sorted(set(seeds))


def test_networks_whose_words_move_come_in_the_order_of_their_seeds():
    cfg = soak.ProcessorConfig(**soak.MOVING["bands"])
    seeds = list(islice(soak.moving_seeds(cfg), 3))
    assert seeds == sorted(set(seeds))
