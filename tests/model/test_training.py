from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from model.__main__ import main
from model.config import preset
from model.convert import convert, fold, rounded
from model.datasets import load as load_dataset
from model.encode import picture_codes
from model.network import Coding, NetworkError
from model.processor import run, trace
from model.trained import ConvSpec, IdentitySpec, LinearSpec, load
from model.training import policy
from model.training.augment import augment
from model.training.layers import COUNT_EPSILON, FloatNetwork, Ran, Stage, fire
from model.training.measure import accuracies
from model.training.recipes import RECIPES, Recipe, convolutions, recipe
from model.training.train import Run, header, network, progress_at, rate, weights

NETWORKS = Path(__file__).parents[2] / "networks"

SMALL = Recipe(name="small", epochs=4, batch=256, operations=0.1, clip_from=0.25, quantise_from=0.5, spike_from=0.5,
               layers=(ConvSpec(name="conv", channels=4, kernel=3, stride=2, batch_norm=True),
                       LinearSpec(name="readout", channels=10)), coding=Coding(window=24, nearest=True))
SMALL_LIF = replace(SMALL, coding=Coding(), timesteps=3, leak_shift=1, reset="zero", operations=0.0)

TTFS = Coding(window=24, nearest=True)


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


def same(one, other):
    return all(one.tensors[name].equal(other.tensors[name]) for name in one.tensors)


def test_stages_begin_at_their_fraction():
    chosen = replace(SMALL, freeze_from=0.75)
    assert Stage.at(chosen, 0.0) == Stage(clip=False, quantise=False, spike=False, freeze=False)
    assert Stage.at(chosen, 0.25) == Stage(clip=True, quantise=False, spike=False, freeze=False)
    assert Stage.at(chosen, 0.5) == Stage(clip=True, quantise=True, spike=True, freeze=False)
    assert Stage.at(chosen, 0.75) == Stage()


def test_the_first_timestep_can_have_a_larger_share_of_the_loss():
    assert weights(0.0, 4).tolist() == [0.25] * 4
    assert weights(0.7, 4).tolist() == pytest.approx([0.7, 0.1, 0.1, 0.1])
    assert weights(0.7, 1).tolist() == [1]


def test_the_mean_of_start_and_end_is_kept_where_wanted(data, tmp_path):
    start = network(Run(SMALL, seed=1).network)
    ended, meant = (Run(replace(SMALL, epochs=1, mean=wanted), seed=2, start=start).finish(
        data.train, tmp_path / f"{wanted}.pt", lambda epoch, loss: None) for wanted in (False, True))
    assert "conv.norm_scale" in ended.tensors and not meant.header.layers[0].batch_norm
    folded = [fold(*(each.tensors[f"conv.{name}"].double() for name in (
        "weight", "norm_scale", "norm_shift", "norm_mean", "norm_variance"))) for each in (start, ended)]
    for name, values in zip(("weight", "bias"), zip(*folded)):
        torch.testing.assert_close(meant.tensors[f"conv.{name}"].double(), sum(values) / 2)


def test_a_readout_of_other_classes_begins_at_random():
    start = Run(SMALL, seed=1)
    other = replace(SMALL, layers=(*SMALL.layers[:-1], LinearSpec(name="readout", channels=4)))
    fresh, begun = Run(other, seed=2).network.state_dict(), Run(other, seed=2, start=network(start.network)).network
    for name, value in begun.state_dict().items():
        assert value.equal((fresh if "readout" in name else start.network.state_dict())[name])


def test_activations_are_relu_then_clipped_then_spikes():
    potential = torch.tensor([-1, 0.01, 0.4, 3])
    assert fire(potential, TTFS, Stage(clip=False, spike=False)).tolist() == pytest.approx([0, 0.01, 0.4, 3])
    assert fire(potential, TTFS, Stage(spike=False)).tolist() == pytest.approx([0, 0.01, 0.4, 1])
    assert fire(potential, TTFS, Stage()).tolist() == pytest.approx([0, 0, 2 ** (-5 / 4), 1])
    assert fire(torch.tensor([0.99, 1.0]), Coding(), Stage()).tolist() == [0, 1]


def test_gradients_go_straight_through_the_staircase_and_peak_at_a_single_threshold():
    potential = torch.tensor([-1, 0.01, 0.4, 3], requires_grad=True)
    fire(potential, TTFS, Stage()).sum().backward()
    assert potential.grad.tolist() == [0, 1, 1, 0]
    potential.grad = None
    fire(potential, TTFS, Stage(clip=False, spike=False)).sum().backward()
    assert potential.grad.tolist() == [0, 1, 1, 1]
    potential = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    fire(potential, Coding(), Stage()).sum().backward()
    left, peak, right = potential.grad.tolist()
    assert peak == pytest.approx(1) and left == pytest.approx(right) and left < 0.2


def test_no_augmentation_leaves_a_picture_alone_and_a_shift_moves_it(data):
    images = data.train.images[:8]
    torch.testing.assert_close(augment(images, 0, 0, 0, False, 0, torch.Generator()), images)
    moved = augment(images, 1, 15, 0.1, False, 0, torch.Generator().manual_seed(3))
    assert moved.shape == images.shape and moved.min() >= 0 and moved.max() <= 1 and (moved != images).any()


def test_without_rotation_pixels_move_whole_and_half_of_the_pictures_are_mirrored():
    images = torch.arange(1, 3 * 4 * 5 + 1, dtype=torch.float32).reshape(1, 3, 4, 5).repeat(400, 1, 1, 1)
    framed = functional.pad(images[0], (2,) * 4)
    frames = {(mirrored, y, x): (framed.flip(2) if mirrored else framed)[:, y:y + 4, x:x + 5]
              for mirrored in (0, 1) for y in range(5) for x in range(5)}
    found = Counter()
    for picture in augment(images, 2, 0, 0, True, 0, torch.Generator().manual_seed(1)):
        match, = (key for key, frame in frames.items() if picture.equal(frame))
        found[match] += 1
    assert len(found) == 50
    assert 160 < sum(count for (mirrored, *_), count in found.items() if mirrored) < 240
    assert augment(images, 0, 0, 0, False, 0, torch.Generator()).equal(images)


@pytest.mark.parametrize("rotation", [0.0, 10.0])
def test_a_black_square_is_somewhere_in_every_picture(rotation):
    pictures = augment(torch.ones(300, 2, 9, 12), 0, rotation, 0, False, 4, torch.Generator().manual_seed(1))
    black = (pictures == 0).all(1)
    if not rotation:
        assert (pictures[:, 0] == pictures[:, 1]).all()
        # Whole where its middle is far enough from the border; nowhere larger.
        assert sorted(black.sum((1, 2)).unique().tolist())[-1] == 16 and (black.sum((1, 2)) >= 4).all()
    assert black.any(0).all() and black.any(2).any(1).all()


def test_the_rate_rises_along_a_line_and_falls_along_a_cosine():
    chosen = replace(SMALL, rate=2.0, warmup=0.2)
    assert [rate(chosen, progress) for progress in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 1, 2, 1, 0])
    assert rate(replace(SMALL, rate=2.0), 0) == 2


def test_a_second_round_has_everything_from_its_start_and_a_rate_of_its_own():
    chosen = replace(SMALL, again=4, again_rate=0.5, freeze_from=0.5)
    progress = [progress_at(chosen, epoch) for epoch in (0, 2, 4, 5, 6, 7)]
    assert progress == [0, 0.5, 1, 1.25, 1.5, 1.75]
    assert [rate(chosen, each) for each in progress[2:]] == pytest.approx([0.5, 0.4268, 0.25, 0.0732], abs=1e-4)
    assert [Stage.at(chosen, each) for each in progress[2:]] == [Stage(freeze=False)] * 2 + [Stage()] * 2
    # The last epoch at least.
    assert [Stage.at(replace(chosen, freeze_from=0.9), each).freeze for each in progress[4:]] == [False, True]


def test_operations_weigh_each_map_by_its_fan_out():
    layers = (ConvSpec(name="conv1", channels=2, kernel=3, padding=1, pool=2),
              ConvSpec(name="conv2", channels=5, kernel=3, padding=1, stride=2),
              LinearSpec(name="readout", channels=10))
    floating = FloatNetwork(header(replace(SMALL, layers=layers, shape=(1, 8, 8)), 0))
    maps = [torch.zeros(1, 4, 2, 4, 4), torch.zeros(1, 4, 5, 2, 2)]
    silent = floating.operations(Ran(None, maps, 0)).item()
    assert silent == pytest.approx(COUNT_EPSILON ** 0.5)
    # Nine taps at a quarter of the places, times five channels; a place of the last map, times ten.
    dense = 32 * 9 / 4 * 5 + 20 * 10
    for map, cost in zip(maps, (9 / 4 * 5, 10)):
        map[:, :, 0, 0, 0] = 1
        found = floating.operations(Ran(None, maps, 0)).item() - silent
        map.zero_()
        assert found == pytest.approx(cost / dense, rel=0.02)


def test_the_spikes_of_all_timesteps_add_up_to_the_levels_of_a_converted_layer(data):
    chosen = replace(SMALL, coding=Coding(), timesteps=8, levels=8, reset="subtract", start=0.5, operations=0.0)
    torch.manual_seed(0)
    floating = FloatNetwork(header(chosen, 0)).eval()
    images = data.validation.images[:20]
    levels, spikes = (floating(images, stage).maps[0] for stage in (Stage(levels=8), Stage()))
    assert len(levels) == 1 and len(spikes) == 8
    torch.testing.assert_close(spikes.mean(0), levels[0])
    assert levels.unique().numel() == 9


SGD = replace(SMALL, momentum=0.9, rate=0.05, smoothing=0.1, rotation=0.0, zoom=0.0)


# An identity, a shortcut from the picture, and a sum of two maps in the readout.
RESIDUAL = (ConvSpec(name="conv", channels=4, kernel=3, padding=1, stride=2, batch_norm=True),
            ConvSpec(name="picture", channels=4, kernel=1, stride=2, source="picture", partial=True, batch_norm=True),
            IdentitySpec(name="identity", channels=4, source="conv"),
            ConvSpec(name="sum", channels=4, kernel=3, padding=1, batch_norm=True, pool=2),
            LinearSpec(name="beside", channels=10, source="conv", partial=True),
            LinearSpec(name="readout", channels=10))


@pytest.mark.parametrize("chosen", [SMALL, SGD, SMALL_LIF, replace(SMALL_LIF, reset="subtract", leak_shift=0),
                                    replace(SMALL, layers=RESIDUAL), replace(SMALL_LIF, layers=RESIDUAL)],
                         ids=["ttfs", "sgd", "zero", "subtract", "residual", "residual over timesteps"])
def test_a_trained_network_is_the_integer_network(data, chosen, tmp_path):
    floating = Run(chosen, seed=5)
    integer = convert(floating.finish(data.train, tmp_path / "checkpoint.pt", lambda epoch, loss: None))
    images = data.validation.images
    with torch.no_grad():
        logits = floating.average.eval()(images).logits
    observed = trace(integer, picture_codes(images, integer), preset("default"))
    scale = 2 ** (integer.layers[-1].gain[0] / 4 - integer.numerics.fraction_width)
    count = torch.arange(1, integer.timesteps + 1)[:, None]
    distance = (observed.logits * scale / count - logits.transpose(0, 1)).abs()
    # A spike may move by a slot where a sum is close to a threshold: magnitudes are truncated. Where there is a single
    # slot, it comes or goes, and changes all timesteps behind it.
    near = 0.999 if integer.timesteps == 1 else 0.99
    assert distance.median() < 0.01 * logits.std() and (distance < 0.5 * logits.std()).double().mean() > near


@pytest.mark.parametrize("chosen", [
    SMALL, replace(SMALL_LIF, layers=RESIDUAL, first=0.5), replace(SMALL, layers=convolutions(64, 64, "pool")),
    replace(SMALL, policy_of="digits-lif", layers=convolutions(4, "stride", classes=4))],
    ids=["ttfs", "residual over timesteps", "wide", "policy"])
@pytest.mark.parametrize("stage", [Stage(freeze=False), Stage()], ids=["follows", "frozen"])
def test_a_step_stays_on_its_device(data, chosen, stage, monkeypatch):
    """Not on a graphics card, but on a device that computes nothing, and where tensors of another do not mix."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    task = policy.Task(load(NETWORKS / "digits-lif"), 1.0, 4.0, device="meta") if chosen.policy_of else None
    with torch.compiler.set_stance("force_eager"):
        run = Run(chosen, seed=1, task=task, device="meta")
        loss = run._loss(data.train.images[:5], data.train.labels[:5], stage)
        loss.backward()
        run.optimizer.step()
        run._average()
    assert loss.is_meta and all(value.is_meta for value in run.average.state_dict().values())


@pytest.mark.parametrize("chosen", [SMALL, replace(SMALL_LIF, layers=RESIDUAL)], ids=["ttfs", "residual"])
def test_a_folded_batch_norm_follows_the_batch_again_and_changes_nothing(data, chosen, tmp_path):
    trained = rounded(Run(chosen, seed=5).finish(data.train, tmp_path / "checkpoint.pt", lambda epoch, loss: None))
    images, stage = data.validation.images, Stage(freeze=False)
    begun = Run(chosen, 5, trained, images)
    for name, value in begun.network.layers["conv"].named_parameters():
        assert value.isfinite().all() and (name != "norm_scale" or (value != 1).all())
    with torch.no_grad():
        expected = FloatNetwork.of(trained).eval()(images).logits
        assert torch.allclose(begun.network.eval()(images).logits, expected, atol=1e-5)
        followed = begun.network.train()(images, stage).logits
    assert (followed - expected).abs().mean() < 0.01 * expected.std()


def test_the_same_seed_gives_the_same_network_and_another_seed_another(data, tmp_path):
    made = [Run(SMALL, seed).finish(data.train, tmp_path / f"{i}.pt", lambda epoch, loss: None)
            for i, seed in enumerate((7, 7, 8))]
    assert same(made[0], made[1]) and not same(made[0], made[2])


@pytest.mark.parametrize("chosen", [SMALL, SGD, replace(SGD, epochs=1, again=3, again_rate=0.01)],
                         ids=["adamw", "sgd", "second round"])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(chosen, data, tmp_path):
    whole = Run(chosen, 7)
    expected = whole.finish(data.train, tmp_path / "whole.pt", lambda epoch, loss: None)
    killed = Run(chosen, 7)
    killed.train_epoch(data.train)
    killed.train_epoch(data.train)
    killed.save(tmp_path / "killed.pt")
    again, epochs = Run(chosen, 7), []
    assert again.resume(tmp_path / "killed.pt")
    resumed = again.finish(data.train, tmp_path / "killed.pt", lambda epoch, loss: epochs.append(epoch))
    assert epochs == [3, 4] and same(resumed, expected)


def test_a_checkpoint_of_another_run_is_not_used(data, tmp_path):
    Run(SMALL, 7).save(tmp_path / "checkpoint.pt")
    assert Run(SMALL, 7).resume(tmp_path / "checkpoint.pt")
    assert not Run(SMALL, 8).resume(tmp_path / "checkpoint.pt")
    assert not Run(replace(SMALL, rate=0.5), 7).resume(tmp_path / "checkpoint.pt")
    assert not Run(SMALL, 7).resume(tmp_path / "missing.pt")


@pytest.mark.parametrize("name", ["digits-ttfs", "digits-lif"])
def test_the_committed_networks_are_as_good_as_promised(data, name):
    trained = load(NETWORKS / name)
    integer = convert(trained)
    assert trained.header.layers == recipe(name).layers
    rows = sum(-(-layer.out_channels // 16) * layer.weight[0].numel() for layer in integer.layers)
    assert rows <= preset("tiny").rows
    codes = picture_codes(data.test.images, integer)
    answer = run(integer, codes, preset("tiny"))
    right = (answer.classes == data.test.labels).double().mean().item()
    static = accuracies(trace(integer, codes, preset("tiny")), data.test.labels)[-1]
    assert right >= 0.975 and static >= 0.975 and right >= static - 0.005
    assert answer.timesteps.double().mean() <= 1.5


@pytest.mark.parametrize("name", ["digits-ttfs", "digits-lif"])
def test_the_committed_networks_hold_the_validation_accuracy_they_state(data, name):
    trained = load(NETWORKS / name)
    integer = convert(trained)
    codes = picture_codes(data.validation.images, integer)
    assert tuple(accuracies(trace(integer, codes, preset("default")), data.validation.labels)) == (
        trained.header.validation_accuracy)


@pytest.fixture
def threads():
    """What a command says of the number of threads is forgotten after a test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.compiled
def test_the_command_trains_resumes_and_writes_a_network(tmp_path, capsys, threads):
    command = ["train", "digits-lif", "--epochs", "1", "--out", str(tmp_path / "out"),
               "--build", str(tmp_path / "build"), "--threads", "2"]
    assert main(command) == 0
    assert torch.get_num_threads() == 2
    written = load(tmp_path / "out" / "digits-lif")
    assert written.header.recipe["epochs"] == 1 and len(written.header.validation_accuracy) == 4
    assert "wrote" in capsys.readouterr().out
    assert main(command) == 0
    assert "going on after epoch 1" in capsys.readouterr().out
    assert same(load(tmp_path / "out" / "digits-lif"), written)


def test_the_command_refuses_an_unknown_recipe_in_one_sentence(capsys):
    assert main(["train", "resnet"]) == 1
    assert capsys.readouterr().err == (f"error: there is no recipe called 'resnet'; there are {', '.join(RECIPES)}\n")


def test_the_command_refuses_no_epochs_at_all(capsys):
    assert main(["train", "digits-lif", "--epochs", "0"]) == 1
    assert capsys.readouterr().err == "error: epochs must be at least 1, not 0\n"


@pytest.mark.parametrize("wanted, message", [
    ({"target_timesteps": 0.5, "exit_rule": "margin"}, "target_timesteps must be at least 1, not 0.5"),
    ({"target_timesteps": 1.2}, "1.2 timesteps on average take another exit_rule than budget")])
def test_a_recipe_refuses_timesteps_that_cannot_be_reached(wanted, message):
    with pytest.raises(NetworkError, match=message):
        replace(SMALL, **wanted)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_the_command_refuses_a_graphics_card_that_is_not_there(capsys):
    assert main(["train", "digits-lif", "--device", "cuda"]) == 1
    assert capsys.readouterr().err == (
        f"error: --device cuda: PyTorch {torch.__version__} finds no graphics card; only cpu is here\n")


def test_the_command_refuses_no_threads_at_all(capsys):
    assert main(["train", "digits-lif", "--threads", "0"]) == 1
    assert capsys.readouterr().err == "error: --threads must be at least 1, not 0\n"
