import io
import re

import pytest
from rich.console import Console

from cosim import papers
from cosim.__main__ import main
from model import record
from model.network import NetworkError
from model.trained import load
from model.training.layerwise import moves

DIGITS = ("digits-ttfs", "digits-lif")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder for results, and a page of the digits networks alone."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(papers, "NETWORKS", (*DIGITS, "digits-nothing"))
    return tmp_path


def test_the_page_shows_every_trained_network_and_its_plots(results, capsys):
    assert main(["papers"]) == 0
    assert "digits-nothing: not trained yet" in capsys.readouterr().out
    figures = record.read("papers")
    assert tuple(figures) == DIGITS
    page = (results / "papers.md").read_text()
    for name in DIGITS:
        right, timesteps = figures[name]["chosen"]["accuracy"], figures[name]["chosen"]["timesteps"]
        assert re.search(rf"\| `{name}` \| digits \| .* \| {right:.2%} \| {timesteps:.2f} \|", page)
    assert all(f"| `digits-lif` | {rule} |" in page for rule in ("entropy", "probability", "margin"))
    cheapest = {name: re.search(rf"\| digits \| `{name}` \| (\S+)% \|", page) for name in DIGITS}
    best = [max(float(f"{100 * point['accuracy']:.2f}") for point in papers._points(figures[name])) for name in DIGITS]
    assert min(float(match[1]) for match in cheapest.values()) >= min(best)
    share = figures["digits-ttfs"]["chosen"]["synaptic_operations"] / figures["digits-ttfs"]["dense"]
    assert re.search(rf"\| `digits-ttfs` \| 24 \| .* \| {share:.1%} \|", page) and 0.1 < share < 0.9
    assert "![papers-digits](papers-digits.svg)" in page
    assert all(name in (results / "papers-digits.svg").read_text() for name in DIGITS)


def test_what_is_on_record_is_not_measured_again(results, monkeypatch):
    console = Console(file=io.StringIO())
    first = dict(papers.measure(["digits-ttfs"], False, console))
    record.write("papers", "a test", first)
    monkeypatch.setattr(papers, "evaluate", None)
    assert dict(papers.measure(["digits-ttfs"], False, console)) == record.read("papers")
    with pytest.raises(TypeError):
        dict(papers.measure(["digits-ttfs"], True, console))


def test_a_run_that_is_stopped_keeps_what_it_has(results, monkeypatch, capsys):
    def stopped(network, *_):
        if network.header.name == "digits-lif":
            raise KeyboardInterrupt
        return {"chosen": {"accuracy": 0.5, "timesteps": 1.0}}

    monkeypatch.setattr(papers, "evaluate", stopped)
    assert main(["papers"]) == 130 and capsys.readouterr().err == "stopped\n"
    assert record.read("papers")["digits-ttfs"]["chosen"]["accuracy"] == 0.5


def test_what_a_layer_gave_up_is_measured_again():
    header = load(papers.ROOT / "networks" / "digits-lif").header
    _, changed = next(moves(header))
    assert changed.sha256 == header.sha256
    assert papers._mark(changed) != papers._mark(header)


def test_layers_stand_beside_the_network_they_come_from(results, monkeypatch):
    monkeypatch.setattr(papers, "LAYERWISE", {"digits-layerwise": "digits-lif"})
    work = {"synaptic_operations": 30.0, "neurons": 20.0, "cycles": 10.0}
    figures = {"digits-lif": {"after": [{"accuracy": 0.98} | work]},
               "digits-layerwise": {"untuned": {"accuracy": 0.96} | {name: value / 2 for name, value in work.items()},
                                    "after": [{"accuracy": 0.97} | {name: value / 4 for name, value in work.items()}]}}
    page = papers._layers(figures)
    assert "| `digits-layerwise` | no | 98.00% | 96.00% | 2.00 | 2.00 | 2.00 |" in page
    assert "| `digits-layerwise` | yes | 98.00% | 97.00% | 4.00 | 4.00 | 4.00 |" in page
    figures["digits-layerwise"]["untuned"] = None
    page = papers._layers(figures)
    assert "| `digits-layerwise` | no | 98.00% | 97.00% | 4.00 | 4.00 | 4.00 |" in page and "yes" not in page


def test_on_the_front_are_the_points_that_no_other_beats():
    def network(*points):
        return {"dataset": "mnist", "rule": "entropy", "thresholds": {
            "entropy": [{"accuracy": accuracy, "cycles": cycles} for accuracy, cycles in points]}}

    rows = papers._fronts({"a": network((0.9, 1000), (0.95, 2500), (0.96, 3000)), "b": network((0.94, 2000)),
                           "c": network((0.94, 2001), (0.8999, 1000)), "d": network((0.96, 3000))}).splitlines()[2:]
    assert rows == ["| MNIST | `a` | 90.00% to 96.00% | 1 000 to 3 000 |", "| MNIST | `b` | 94.00% | 2 000 |",
                    "| MNIST | `d` | 96.00% | 3 000 |"]


def test_agreement_is_that_of_the_quantity_that_agrees_least(results):
    assert papers._agreed("digits-ttfs", "ab") == "-"
    record.write("compare-digits-ttfs-large", "a test", {"network_sha256": "ab", "images": 3000, "agreement": {
        "class": {"equal": 3000, "of": 3000}, "cycles": {"equal": 2999, "of": 3000}}})
    assert papers._agreed("digits-ttfs", "ab") == "2 999 of 3 000 (`large`)"
    record.write("compare-digits-ttfs-tiny", "a test", {
        "network_sha256": "ab", "images": 20, "agreement": {"class": {"equal": 20, "of": 20}}})
    assert papers._agreed("digits-ttfs", "ab") == "20 of 20 (`tiny`), 2 999 of 3 000 (`large`)"
    # Of weights that were trained again since, nothing is known.
    assert papers._agreed("digits-ttfs", "cd") == "-"


def test_a_damaged_network_is_one_sentence(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(papers, "ROOT", tmp_path)
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "digits-lif.json").write_text("{}")
    with pytest.raises(NetworkError, match="there is no file"):
        dict(papers.measure(["digits-lif"], False, Console(file=io.StringIO())))
    assert main(["papers"]) == 1
    assert re.fullmatch(r"error: there is no file .*digits-lif.safetensors\n", capsys.readouterr().err)
