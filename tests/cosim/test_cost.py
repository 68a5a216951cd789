import pytest

from cosim import cost, cost_page
from cosim.__main__ import main
from model import record

DIGITS = ("digits-ttfs", "digits-lif")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder for results, and a page of the digits networks alone."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(cost, "NETWORKS", (*DIGITS, "digits-nothing"))
    monkeypatch.setattr(cost, "VARIED", "digits-lif")
    monkeypatch.setattr(cost, "CONFIG", "tiny")
    return tmp_path


def test_the_page_shows_energies_products_and_variation(results, capsys):
    assert main(["cost", "networks", "variation", "--images", "60"]) == 0
    assert "digits-nothing: not trained yet" in capsys.readouterr().out
    figures, page = record.read("cost"), (results / "cost.md").read_text()
    assert set(figures["networks"]) == set(DIGITS)
    lif = figures["networks"]["digits-lif"]
    assert sum(lif["stopped"]) == lif["pictures"] == 60
    # The same decisions on both backends: an analog timestep takes as much as another, so the product goes by them.
    steps = len(lif["stopped"])
    by_steps = sum(count * k ** 2 for k, count in enumerate(lif["stopped"], start=1)) / 60 / steps ** 2
    assert lif["analog"]["energy_delay"] == pytest.approx(by_steps, rel=0.01)
    assert 0 < lif["digital"]["energy_delay"] < 1 and 0 < lif["analog"]["exit"] < 0.01
    assert sum(lif["digital"]["blocks pJ"].values()) == pytest.approx(lif["digital"]["uJ"][1] * 1e6)
    ttfs = figures["networks"]["digits-ttfs"]
    assert ttfs["timesteps"] == [1, 1] and ttfs["digital"]["exit"] == 0 and ttfs["digital"]["energy_delay"] == 1
    assert figures["variation"]["sigma"]["log"][0][0] >= figures["variation"]["sigma"]["log"][-1][0]
    assert all(f"| `{name}` |" in page for name in DIGITS) and "sigma 30%" in page
    assert all((results / f"cost-{plot}.svg").exists() for plot in ("energy", "products", "variation"))


def test_eight_timesteps_take_eight_times_of_everything():
    *rows, total = cost_page.eight_against_one()
    assert total[-1] == "8.00" and [row[0] for row in rows][:2] == ["tile buffer", "H-tree"]
    assert sum(float(row[3].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.5)
    # 4.9 times within 15 % would take a component of almost half of the energy.
    near = [row[0] for row in rows if abs(float(row[-1]) / cost_page.EIGHT_ENERGY - 1) <= 0.15]
    assert near == ["tile buffer"]


def test_a_part_that_there_is_not_is_one_sentence(capsys):
    assert main(["cost", "silicon"]) == 1
    assert capsys.readouterr().err == ("error: there is no part called 'silicon'; there are networks, sets, "
                                       "variation, gates\n")


def test_whole_test_sets_stop_where_the_papers_page_says(results):
    def point(threshold, validation, timesteps, stopped):
        return {"threshold": threshold, "validation": validation, "timesteps": timesteps, "stopped": stopped,
                "accuracy": 0.9}

    record.write("papers", "a test", {"digits-lif": {
        "validation": [0.9, 0.95], "after": [{"accuracy": 0.91}], "thresholds": {"entropy": [
            point(1.0, 0.94, 1.0, [8, 0, 0, 0]), point(0.5, 0.9485, 2.0, [6, 0, 0, 2]),
            point(0.25, 0.95, 3.0, [4, 0, 0, 4])]}}})
    assert main(["cost", "sets"]) == 0
    found = record.read("cost")["sets"]["digits-lif"]
    # The loosest threshold loses too much; a quarter of the pictures runs four times as long.
    assert found["stopped"] == [6, 0, 0, 2]
    assert found["energy_delay"] == pytest.approx((6 * 1 + 2 * 16) / 8 / 16, rel=0.01)
