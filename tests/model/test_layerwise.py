from dataclasses import replace
from pathlib import Path

import pytest

from model.__main__ import main
from model.config import preset
from model.convert import convert
from model.datasets import load as load_dataset
from model.encode import picture_codes
from model.processor import trace
from model.trained import load
from model.training.layerwise import moves, score, search

NETWORKS = Path(__file__).parents[2] / "networks"


@pytest.fixture(scope="module")
def validation():
    return load_dataset("digits").validation


@pytest.mark.parametrize("name", ["digits-ttfs", "digits-lif"])
def test_scores_what_the_counters_count(name, validation):
    trained = load(NETWORKS / name)
    scored = score(trained, validation)
    network = convert(trained)
    codes = picture_codes(validation.images, network)
    counters = trace(network, codes, preset("default")).counters
    assert scored.accuracy == pytest.approx(trained.header.validation_accuracy[-1], abs=0.01)
    assert scored.neurons == counters["neurons"][:, -1, :-1].sum(1).double().mean().item()
    # Synapses beyond the border are counted in one and not in the other.
    operations = counters["synaptic_operations"][:, -1, 1:].sum(1).double().mean().item()
    assert operations < scored.operations < 1.3 * operations


def test_moves_give_up_a_timestep_but_never_the_first():
    header = load(NETWORKS / "digits-lif").header
    made = list(moves(header))
    assert len(made) == 3 * 3
    words, changed = made[4]
    assert words == "conv2 without timestep 3" and changed.active(changed.layers[1]) == [1, 2, 4]
    assert [changed.active(spec) for spec in changed.layers if spec.name != "conv2"] == [[1, 2, 3, 4]] * 3
    only_first = header.model_copy(update={"layers": tuple(
        spec.model_copy(update={"active": (1,)}) for spec in header.layers[:-1]) + header.layers[-1:]})
    assert not list(moves(only_first))


def test_moves_give_up_slots_where_there_is_one_timestep():
    header = load(NETWORKS / "digits-ttfs").header
    made = list(moves(header))
    assert [words for words, _ in made] == [f"conv{n} with 22 slots" for n in (1, 2, 3)]
    for number, (_, changed) in enumerate(made):
        assert [changed.coding_of(spec).window for spec in changed.layers[:-1]] == [
            22 if index == number else 24 for index in range(3)]


@pytest.mark.parametrize("name", ["digits-ttfs", "digits-lif"])
def test_searches_until_no_move_is_left_that_accuracy_allows(name, validation):
    trained = load(NETWORKS / name)
    few = replace(validation, images=validation.images[::4], labels=validation.labels[::4])
    whole, steps = score(trained, few), []
    found = search(trained, few, 0.02, lambda words, made: steps.append(made))
    made = score(found, few)
    assert made == steps[-1] and len(steps) > 3
    works = [whole.work(whole)] + [step.work(whole) for step in steps]
    assert works[0] == 1 and works == sorted(works, reverse=True) and works[-1] < 0.9
    assert all(step.accuracy >= whole.accuracy - 0.02 for step in steps)
    for _, header in moves(found.header):
        assert score(replace(found, header=header), few).accuracy < whole.accuracy - 0.02
    # On the processor it saves what it does here.
    saved = [sum(trace(network, picture_codes(few.images, network), preset("default")).counters[name][:, -1].sum()
                 for name in ("synaptic_operations", "neurons")).item() for network in map(convert, (trained, found))]
    assert saved[1] < 0.95 * saved[0]


def test_the_command_searches_tunes_and_writes_a_network(tmp_path, capsys):
    command = ["layerwise", str(NETWORKS / "digits-lif"), "--lost", "2", "--images", "60", "--epochs", "1",
               "--operations", "0.25", "--name", "saved", "--out", str(tmp_path), "--build", str(tmp_path / "build")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "as it is: " in shown and "conv1 without timestep" in shown and "saved: epoch 1 of 1" in shown
    written = load(tmp_path / "saved")
    assert written.header.recipe["operations"] == 0.25
    assert written.header.name == "saved" and any(layer.active for layer in written.header.layers)
    assert not written.tensors["conv1.weight"].equal(load(NETWORKS / "digits-lif").tensors["conv1.weight"])
