"""The page shows the committed figures, the committed figures are the model's, and they hold the bars."""

import json

import pytest
from rich.console import Console

from cosim import __main__ as door
from cosim import cycles, performance
from model import page, record

CYCLES, SPEED, STREAMING = (record.read(name) for name in ("cycles", "speed", "streaming"))


def convolutions(density, span):
    """The layers of VGG-16 at one density, but for the readout."""
    run, = (run for run in CYCLES["vgg"] if (run["density"], run["span"]) == (density, span))
    return run["layers"][:-1]


def test_the_committed_cycles_are_those_of_the_model():
    assert json.loads(json.dumps(cycles.figures())) == CYCLES


@pytest.mark.parametrize("span", [2, 4])
@pytest.mark.parametrize("density, bar", [(0.05, 0.85), (0.1, 0.95), (0.2, 0.95), (0.4, 0.95)])
def test_columns_are_busy_in_every_convolution_but_the_first(density, bar, span):
    first, *others = convolutions(density, span)
    assert len(others) == 12
    assert min(layer["busy_columns"] for layer in others) >= bar
    # 27 synapses: as fast as the fire unit until enough of them spike.
    assert (first["busy_columns"] >= bar) == (density == 0.4)
    assert (first["fire"] > 0.3) == (density < 0.4)


@pytest.mark.parametrize("span", [2, 4])
def test_convolutions_come_within_a_twentieth_of_the_bound(span):
    ratios = [layer["ratio"] for layer in convolutions(0.2, span)]
    assert len(ratios) == 13
    assert min(ratios[1:]) >= 1
    assert max(ratios[1:]) <= 1.05 < ratios[0]


def test_digits_keep_most_columns_of_tiny_busy():
    busy = {(run["network"], run["config"]): run["busy_columns"] for run in CYCLES["digits"]}
    assert len(busy) == 2 * len(cycles.CONFIGS)
    assert busy["digits-ttfs", "tiny"] >= 0.6


def test_the_yardstick_is_met_by_every_pattern_of_spikes():
    wide, narrow = ({row["density"]: row for row in CYCLES["yardstick"] if row["encoders"] == encoders}
                    for encoders in (8, 4))
    assert wide[1.0]["cycles_max"] <= 2420 and wide[0.1]["cycles_max"] <= 280
    assert narrow[1.0]["cycles_max"] <= 2420


def test_twice_the_area_takes_twice_the_cycles():
    rows = CYCLES["area"]
    assert [row["area"] / rows[0]["area"] for row in rows] == [1, 2, 4, 8]
    for before, row in zip(rows, rows[1:]):
        assert row["cycles"] / before["cycles"] == pytest.approx(2, rel=0.03)


def test_vgg_whose_weights_come_from_a_memory_is_as_fast_as_its_bus_or_its_spikes():
    runs = {(run["network"].rpartition("-")[2], run["memory_width"]): run for run in STREAMING["streaming"]}
    assert set(runs) == {("ttfs", 128), ("ttfs", 256), ("sparse", 128), ("sparse", 256)}
    assert runs["sparse", 128]["cycles"] <= 650_000 and runs["sparse", 256]["cycles"] <= 500_000
    for run in runs.values():
        ends = {layer["layer"]: layer["cycles"] / layer[layer["bound"]] for layer in run["layers"]}
        # Beside what takes longest in a layer, little is waited for.
        assert max(ratio for name, ratio in ends.items() if name != "readout") < 1.25
        assert [layer["weights"] for layer in run["layers"][10:13]] == ["by spikes"] * 3
        assert all(layer["waits"] == 0 for layer in run["layers"] if layer["weights"] == "tiles")
        assert 0 < run["waits"] < run["cycles"] / 2
    assert all(runs[name, 256]["cycles"] < runs[name, 128]["cycles"] for name in ("ttfs", "sparse"))


def test_model_and_simulation_are_fast_enough():
    rates = {(run["network"], run["config"]): run["rate"] for run in SPEED["model"]}
    assert min(rates["digits-ttfs", config] for config in ("tiny", "default")) >= 2000
    assert SPEED["simulation"]["asleep"]["rate"] >= 150_000
    assert [SPEED["simulation"][size] for size in ("columns", "tiles")] == [32, 1]


@pytest.mark.parametrize("figures, names", [
    (CYCLES, ["digits", "fashion", "vgg", "folded", "yardstick", "area"]), (SPEED, ["model", "simulation"]),
    (STREAMING, ["streaming"])], ids=["cycles", "speed", "streaming"])
def test_the_page_shows_the_committed_figures(figures, names):
    text, tables = page.PAGE.read_text(), performance.tables(figures)
    assert list(tables) == names
    for name, table in tables.items():
        assert table.count("\n") > 2
        assert f"<!-- {name}: written by nox -->\n{table}<!-- end -->\n" in text


def test_the_page_shows_plots_that_are_committed():
    for name in ("cycles-digits", "cycles-vgg", "cycles-area", "speed"):
        assert f"(../results/{name}.svg)" in page.PAGE.read_text()
        assert (record.RESULTS / f"{name}.svg").exists()


def test_the_same_figures_give_the_same_plots(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    first, second = ({path.name: path.read_bytes() for path in performance.plot(CYCLES | SPEED)} for _ in range(2))
    assert len(first) == 4 and first == second
    assert all(b"<svg" in source for source in first.values())


def test_a_table_goes_between_its_marks_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    marks = "before\n<!-- area: written by nox -->\n{}<!-- end -->\nafter\n<!-- end -->\n"
    figures = {"area": [{"height": 16, "width": 16, "area": 256, "cycles": 13560}]}
    page.PAGE.write_text(marks.format("an old table\n"))
    for _ in range(2):
        page.fill(performance.tables(figures))
        assert page.PAGE.read_text() == marks.format(
            "| map | pixels | cycles | times the map before |\n| --- | ---: | ---: | ---: |\n"
            "| 16 x 16 | 256 | 13 560 |  |\n")
    page.PAGE.write_text("no marks\n")
    with pytest.raises(ValueError, match="page.md has no place for the table area"):
        page.fill(performance.tables(figures))


def test_figures_are_held_against_those_before():
    console = Console(record=True, width=80)
    console.print(performance.against({"old": 300.0, "new": 5.0}, {"old": 200.0, "gone": 1.0}))
    text = console.export_text()
    assert [line.replace("│", "").split() for line in text.splitlines() if "old" in line or "new" in line] == [
        ["old", "300", "200", "1.500"], ["new", "5", "-", "-"]]
    assert "gone" not in text


def test_a_trial_leaves_results_and_page_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(cycles, "figures", lambda: CYCLES)
    assert door.main(["cycles", "--trial"]) == 0
    assert list(tmp_path.iterdir()) == []
    page.PAGE.write_text("".join(f"<!-- {name}: written by nox -->\n<!-- end -->\n" for name in CYCLES))
    assert door.main(["cycles"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"cycles.json", "cycles-digits.svg", "cycles-vgg.svg",
                                                          "cycles-area.svg", "page.md"}
    assert record.read("cycles") == CYCLES
    assert "digits-ttfs on tiny, cycles" in capsys.readouterr().out
