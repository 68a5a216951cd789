"""The driver in Python on the exported processor: every number it gives is the golden model's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cosim.firmware import four_classes
from cosim.random_networks import seeded
from cosim.simulated import simulated
from cosim.simulator import BenchError
from firmware.processor import Processor, ReportedError, SelfTestError
from firmware.registers import ADDRESSES, ErrorCode
from model import datasets
from model import processor as golden
from model.compiler import compile
from model.config import Rule, Target, preset
from model.convert import convert
from model.encode import picture_codes
from model.network import Exit
from model.trained import load

CFG = preset("tiny")
NETWORKS = Path(__file__).parents[2] / "networks"


@pytest.fixture(scope="module")
def bus():
    with simulated("tiny") as bus:
        yield bus


@pytest.fixture(scope="module")
def lif():
    return convert(load(NETWORKS / "digits-lif"))


@pytest.fixture(scope="module")
def pictures():
    """From all over the test split, which lies sorted by class: (pictures, 1, 8, 8)."""
    return datasets.test_slice("digits").images[::60]


def agrees(result, decision, spent=None):
    """That every number of a result is the model's, with cycles and counters of a policy ``spent`` before."""
    wanted = decision.counters | decision.cycles
    if spent:
        wanted = {name: counter.sum(1) + (spent.counters | spent.cycles)[name].sum(1)
                  for name, counter in wanted.items()}
    else:
        wanted = {name: counter.sum(1) for name, counter in wanted.items()}
    assert result.classes.tolist() == decision.classes.tolist()
    assert result.timesteps.tolist() == decision.timesteps.tolist()
    assert result.logits.tolist() == decision.logits.tolist()
    assert result.signatures.tolist() == decision.signatures.tolist()
    assert {name: counter.tolist() for name, counter in result.counters.items()} == {
        name: counter.tolist() for name, counter in wanted.items()}
    assert result.cycles.tolist() == wanted["cycles"].tolist()


def test_pictures(bus, lif, pictures, tmp_path):
    file = tmp_path / "digits.image"
    file.write_bytes(compile(lif, CFG).to_bytes())
    processor, codes = Processor(bus).load(file), picture_codes(pictures, lif)
    assert processor.cfg == replace(CFG, seen_words=processor.cfg.seen_words)
    decision = golden.run(lif, codes, CFG)
    agrees(processor.run(pictures.numpy()), decision)
    processor.self_test(pictures[0].numpy(), decision.signatures[0].tolist())
    with pytest.raises(SelfTestError, match="^the signature of layer 0 is "):
        processor.self_test(pictures[0].numpy(), decision.signatures[1].tolist())


def test_budgets_and_exit_rules(bus, lif, pictures):
    processor, codes = Processor(bus).load(compile(lif, CFG)), picture_codes(pictures, lif)
    traced = golden.trace(lif, codes, CFG)
    budget = torch.arange(len(pictures)) % 4 + 1
    agrees(processor.run(pictures.numpy(), budget.numpy()), golden.decide(lif, traced, exit=Exit(), budget=budget))
    for rule, threshold in ((Rule.ENTROPY, 0.2), (Rule.PROBABILITY, 0.99), (Rule.MARGIN, 6.5), (Rule.BUDGET, 0)):
        decision = golden.decide(lif, traced, exit=Exit(rule=rule, threshold=threshold))
        agrees(processor.set_exit(rule, threshold).run(pictures.numpy()), decision)
        assert decision.timesteps.max() > 1


def test_policies(bus, lif, pictures):
    policy = four_classes(convert(load(NETWORKS / "digits-ttfs")))
    processor = Processor(bus).load(compile(lif, CFG))
    result = processor.run_by_policy(compile(policy, CFG), pictures.numpy())
    named = golden.run(policy, picture_codes(pictures, policy), CFG)
    traced = golden.trace(lif, picture_codes(pictures, lif), CFG)
    agrees(result, golden.decide(lif, traced, exit=Exit(), budget=named.classes + 1), spent=named)
    assert len(set(result.timesteps.tolist())) > 1


@pytest.mark.parametrize("seed", range(3))
def test_random_networks(bus, seed):
    case = seeded(seed, channels=(1, 2, 5, 17), classes=range(2, 16))
    processor = Processor(bus).load(compile(case.network, CFG))
    agrees(processor.run_spikes(case.codes.numpy()), golden.run(case.network, case.codes, CFG))


def test_after_every_error_the_next_picture_is_run_as_if_nothing_had_been(bus, lif, pictures):
    image, processor = compile(lif, CFG), Processor(bus)
    pictures = pictures[:1]
    decision = golden.run(lif, picture_codes(pictures, lif), CFG)

    def changed(target, change):
        """The image with other entries in the first section for ``target``."""
        index = next(index for index, section in enumerate(image.sections) if section.target == target)
        sections = list(image.sections)
        sections[index] = change(sections[index])
        return replace(image, sections=tuple(sections))

    def with_word(index, word):
        def change(section):
            entries = section.entries.copy()
            entries[index] = word
            return replace(section, entries=entries)
        return change

    def limited():
        processor.load(image).cycle_limit = 50
        processor.run(pictures.numpy())

    provoked = []
    for code, call in (
            (ErrorCode.CYCLES, limited),
            (ErrorCode.LOAD, lambda: processor.load(
                changed(Target.PARAMETERS, lambda section: replace(section, address=1 << 20)))),
            (ErrorCode.DESCRIPTOR, lambda: processor.load(
                changed(Target.DESCRIPTORS, with_word(1, 0))).run(pictures.numpy())),
            (ErrorCode.SETTINGS, lambda: processor.load(
                replace(image, rule=Rule.ENTROPY, threshold=1 << 16)).run(pictures.numpy()))):
        with pytest.raises(ReportedError) as error:
            call()
        assert error.value.code == code
        provoked.append(code)
        processor.cycle_limit = (1 << 32) - 1
        agrees(processor.load(image).run(pictures.numpy()), decision)
    assert len(provoked) == 4

    processor.timeout = 0
    with pytest.raises(TimeoutError):
        processor.run(pictures.numpy())
    processor.timeout = 10
    agrees(processor.run(pictures.numpy()), decision)


def test_an_access_that_the_processor_refuses_ends_the_simulation():
    with pytest.raises(BenchError, match="the processor refuses a read at 0x20: SLVERR"):
        with simulated("tiny") as bus:
            assert bus.read(ADDRESSES["id"], 1) == [0x464C4947]
            bus.read(ADDRESSES["control"], 1)
    with pytest.raises(BenchError, match="the processor refuses a write at 0x0: SLVERR"):
        with simulated("tiny") as bus:
            bus.write(ADDRESSES["id"], [1])


def test_an_error_of_the_program_is_its_own():
    with pytest.raises(ZeroDivisionError):
        with simulated("tiny"):
            np.int_(1 // 0)


@pytest.mark.parametrize("config, message", [
    ("nothing", "there is no configuration called 'nothing'; .*"),
    ("stream", "a simulated processor has no memory for weights: choose a configuration without a memory bus")])
def test_a_configuration_that_is_none_is_refused(config, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        with simulated(config):
            pass
