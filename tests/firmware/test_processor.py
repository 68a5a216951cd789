"""The driver in Python against a fake processor; against a simulated one, see tests/cosim/test_simulated.py."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.buses import Pynq
from firmware.processor import Processor, ProcessorError, ReportedError, SelfTestError
from firmware.registers import CONSTANTS, SENTENCES, ErrorCode
from model.compiler import compile
from model.config import SILENT, ProcessorConfig, Rule, Target, preset
from model.convert import convert
from model.image import ImageError, Section, picture
from model.trained import load

from .fake import DETAIL, LAYER, NEVER, Fake, word

CFG = preset("tiny")
NETWORKS = Path(__file__).parents[2] / "networks"
PICTURES = np.random.default_rng(1).random((3, 1, 8, 8))


@pytest.fixture(scope="module")
def image():
    return compile(convert(load(NETWORKS / "digits-lif")), CFG)


@pytest.fixture
def fake():
    return Fake(CFG)


@pytest.fixture
def processor(fake, image):
    """With the network on it, and nothing on record."""
    processor = Processor(Pynq(fake)).load(image)
    fake.loaded.clear()
    fake.aborts = 0
    return processor


def runs_well(processor, pictures=PICTURES):
    """That a picture can be run, as if nothing had been."""
    processor.bus.ip.load_error = processor.bus.ip.run_error = processor.bus.ip.looks = 0
    assert processor.run(pictures).classes.tolist() == [1] * len(pictures)
    assert processor.bus.ip.quiet


def test_opening_leaves_nothing_of_what_was_before(fake):
    fake.values |= {"status": 1, "interrupt": 1}
    assert Processor(Pynq(fake)).cfg == CFG
    assert fake.aborts == 1 and fake.quiet and fake.values["interrupt_enable"] == 3


@pytest.mark.parametrize("register, values, message", [
    ("id", {"value": 0xFFFF_FFFF}, "there is no Firstlight processor at this address: its id is 0xffffffff, "
                                   "not 0x464c4947"),
    ("version", {"major": 7, "minor": 0}, "the processor has version 7 of the register map, this driver knows 0")])
def test_another_device_and_another_version_are_refused_and_left_alone(fake, register, values, message):
    fake.values[register] = word(register, **values)
    with pytest.raises(ProcessorError, match=f"^{message}$"):
        Processor(Pynq(fake))
    assert fake.aborts == 0 and fake.values["interrupt_enable"] == 0


def test_a_later_version_that_changes_nothing_for_drivers_is_taken(fake):
    fake.values["version"] = word("version", **CONSTANTS["version"] | {"minor": 77})
    Processor(Pynq(fake))


@pytest.mark.parametrize("form", [lambda image, folder: image, lambda image, folder: image.to_bytes(),
                                  lambda image, folder: folder / "file", lambda image, folder: str(folder / "file")])
def test_loads_an_image_a_file_and_its_content(fake, image, tmp_path, form):
    (tmp_path / "file").write_bytes(image.to_bytes())
    processor = Processor(Pynq(fake)).load(form(image, tmp_path))
    assert fake.loaded == image.load_words().tolist()
    assert len(fake.loaded) > 1024
    runs_well(processor)


@pytest.mark.parametrize("file, message", [
    (b"\x7fELF" + bytes(200), "an image starts with the letters FLIM, found b'\\x7fELF'"),
    (b"", "an image has at least 80 bytes and a multiple of 4, found 0")])
def test_a_file_that_is_no_image_is_refused_and_the_network_stays(processor, file, message):
    with pytest.raises(ImageError, match=f"^{re.escape(message)}$"):
        processor.load(file)
    assert processor.bus.ip.loaded == []
    runs_well(processor)


@pytest.mark.parametrize("change, message", [
    ({"columns": 32}, "was compiled for columns = 16, the processor has 32"),
    ({"tiles": 2}, "was compiled for tiles = 1, the processor has 2"),
    ({"encoders": 4}, "was compiled for encoders = 2, the processor has 4"),
    ({"span": 2}, "was compiled for span = 1, the processor has 2"),
    ({"memory_width": 64}, "was compiled for memory_width = 0, the processor has 64"),
    ({"layers": 3}, "has 4 layers, the processor holds 3"),
    ({"timesteps": 3}, "has 4 timesteps, the processor holds 3"),
    ({"classes": 9}, "has 10 classes, the processor holds 9")])
def test_an_image_for_another_processor_is_refused_and_the_processor_left_alone(image, change, message):
    fake = Fake(replace(CFG, **change))
    processor = Processor(Pynq(fake))
    assert processor.cfg == replace(CFG, **change)
    with pytest.raises(ImageError, match=f"^the image of digits-lif {message}$"):
        processor.load(image)
    assert fake.loaded == []


def test_weights_for_a_memory_are_refused_and_an_image_without_any_is_not(image):
    fake = Fake(replace(CFG, memory_width=64))
    processor = Processor(Pynq(fake))
    image = replace(image, memory_width=64)
    weights = Section(target=Target.MEMORY, address=0, entries=np.zeros((5, 2), np.uint32))
    with pytest.raises(ImageError, match="^the image of digits-lif has 40 bytes for a memory, which this "
                                         "driver does not fill$"):
        processor.load(replace(image, sections=(*image.sections, weights)))
    assert fake.loaded == []
    runs_well(processor.load(image))


def test_a_network_that_fits_exactly_is_loaded(image):
    fake = Fake(replace(CFG, layers=4, timesteps=4, classes=10))
    runs_well(Processor(Pynq(fake)).load(image))


def test_nothing_goes_without_an_image(fake):
    processor = Processor(Pynq(fake))
    for call in (lambda: processor.run(PICTURES), lambda: processor.run_spikes(PICTURES),
                 lambda: processor.set_exit(Rule.BUDGET), lambda: processor.self_test(PICTURES[0], []),
                 lambda: processor.run_by_policy("nothing", PICTURES)):
        with pytest.raises(ProcessorError, match="^no image was loaded, or the last one was refused$"):
            call()
    assert fake.runs == fake.loaded == []


def test_an_image_that_the_processor_refuses_is_none(processor, fake, image):
    fake.load_error = ErrorCode.LOAD
    with pytest.raises(ReportedError) as error:
        processor.load(image)
    assert error.value.code == ErrorCode.LOAD and fake.aborts == 1 and fake.quiet
    fake.load_error = 0
    with pytest.raises(ProcessorError, match="^no image was loaded, or the last one was refused$"):
        processor.run(PICTURES)
    runs_well(processor.load(image))


def test_pictures_are_run_with_the_settings_of_their_network(processor, fake, image):
    fake.looks = 3
    result = processor.run(PICTURES)
    codes = image.encode(PICTURES)
    words = [picture(each, image.descriptors[0]["input_words"]).words() for each in codes]
    assert fake.loaded == np.concatenate(words).tolist()
    assert fake.runs == [{"network": image.network_register, "exit": image.exit_register,
                          "exit_threshold": image.threshold}] * 3
    assert result.classes.tolist() == [1] * 3 and result.timesteps.tolist() == [2] * 3
    assert result.cycles.tolist() == [100] * 3 and result.counters["neurons"].tolist() == [107] * 3
    assert result.logits.tolist() == [fake.logits[:10]] * 3
    assert result.signatures.tolist() == [fake.signatures[:4]] * 3
    assert fake.quiet and fake.aborts == 0


def test_another_exit_rule_holds_until_the_next_image(processor, fake, image):
    processor.set_exit(Rule.PROBABILITY, 0.9).run(PICTURES)
    assert fake.runs == [{"network": image.network_register, "exit": word("exit", rule=2, shift=image.shift),
                          "exit_threshold": 2_330_169}] * 3
    processor.load(image).run(PICTURES[:1])
    assert fake.runs[-1]["exit_threshold"] == image.threshold
    with pytest.raises(ValueError, match="^the threshold of entropy must be between 0 and 16, not 17$"):
        processor.set_exit(Rule.ENTROPY, 17)


@pytest.mark.parametrize("budget, timesteps", [(2, [2, 2, 2]), ([1, 4, 3], [1, 4, 3]),
                                               (np.array([4, 4, 1]), [4, 4, 1])])
def test_a_budget_is_that_of_all_pictures_or_of_each(processor, fake, image, budget, timesteps):
    processor.run(PICTURES, budget)
    assert [run["network"] for run in fake.runs] == [word("network", layers=4, timesteps=each, classes=10)
                                                     for each in timesteps]
    assert {run["exit"] for run in fake.runs} == {word("exit", rule=Rule.BUDGET, shift=image.shift)}
    processor.run(PICTURES[:1])
    assert fake.runs[-1]["network"] == image.network_register


@pytest.mark.parametrize("budget, message", [
    (0, "a budget is a number from 1 to the 4 timesteps of the network digits-lif, not 0"),
    ([1, 5, 2], "a budget is a number from 1 to the 4 timesteps of the network digits-lif, not 5"),
    (2.5, "a budget is a number from 1 to the 4 timesteps of the network digits-lif, not 2.5"),
    ([1, 2], "there are 3 pictures, and budgets of shape (2,)")])
def test_a_budget_that_the_network_does_not_have_is_refused(processor, fake, budget, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        processor.run(PICTURES, budget)
    assert fake.runs == fake.loaded == []


@pytest.mark.parametrize("pictures, message", [
    (PICTURES[0], "pictures are an array (pictures, channels, height, width) of at least one, not of shape (1, 8, 8)"),
    (PICTURES[:0], "pictures are an array (pictures, channels, height, width) of at least one, "
                   "not of shape (0, 1, 8, 8)"),
    (PICTURES[..., :7], "network digits-lif reads maps of 9 x 8 x 8, and a picture of 1 x 8 x 7 gives one of "
                        "9 x 8 x 7"),
    (PICTURES * 16 // 1, "values to encode lie between 0 and 1, found 0 to 15"),
    ((PICTURES * 16).astype(np.uint8), "values to encode lie between 0 and 1, found 0 to 15")])
def test_a_picture_that_the_network_cannot_read_is_refused(processor, fake, pictures, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        processor.run(pictures)
    assert fake.runs == fake.loaded == []


@pytest.mark.parametrize("change, message", [
    (lambda codes: codes[0], "the network digits-lif reads at least one map of spikes, uint8 of shape "
                             "(pictures, 9, 8, 8), not uint8 of (9, 8, 8)"),
    (lambda codes: codes.astype(int), "the network digits-lif reads at least one map of spikes, uint8 of shape "
                                      "(pictures, 9, 8, 8), not int64 of (3, 9, 8, 8)"),
    (lambda codes: np.where(codes == SILENT, np.uint8(30), codes),
     "a spike is in slot 30, the window of the network digits-lif has slots 0 to 23")])
def test_spikes_that_the_network_cannot_read_are_refused(processor, fake, image, change, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        processor.run_spikes(change(image.encode(PICTURES)))
    assert fake.runs == fake.loaded == []


@pytest.mark.parametrize("code", [code for code in ErrorCode if code] + [77], ids=str)
@pytest.mark.parametrize("when", ["load_error", "run_error"])
def test_every_error_of_the_processor_is_told_and_forgiven(processor, fake, when, code):
    setattr(fake, when, int(code))
    with pytest.raises(ReportedError) as error:
        processor.run(PICTURES)
    assert (error.value.code, error.value.layer, error.value.detail) == (code, LAYER, DETAIL)
    sentence = SENTENCES.get(code, "Error 77, which this driver does not know.")
    assert str(error.value) == f"the processor reports in layer 3, with error_detail 0xde7a11: {sentence}"
    assert fake.aborts == 1 and fake.quiet
    runs_well(processor)


def test_a_run_that_does_not_end_is_aborted(processor, fake):
    processor.timeout, fake.looks = 0.02, NEVER
    with pytest.raises(TimeoutError, match="^the run did not end within 0.02 seconds, and was aborted$"):
        processor.run(PICTURES)
    assert fake.aborts == 1 and fake.quiet and len(fake.runs) == 1
    runs_well(processor)


def test_an_interrupt_from_the_keyboard_ends_a_run(processor, fake):
    def interrupted():
        raise KeyboardInterrupt

    fake.interrupted = interrupted
    with pytest.raises(KeyboardInterrupt):
        processor.run(PICTURES)
    assert fake.aborts == 1 and fake.quiet
    fake.interrupted = lambda: None
    runs_well(processor)


def test_the_cycle_limit_is_a_register(processor, fake):
    assert processor.cycle_limit == (1 << 32) - 1
    processor.cycle_limit = 1000
    assert processor.cycle_limit == fake.values["cycle_limit"] == 1000
    with pytest.raises(ValueError, match="^cycle_limit.value has 32 bits, 4294967296 does not fit$"):
        processor.cycle_limit = 1 << 32


def test_a_policy_names_timesteps_and_the_network_is_loaded_again(processor, fake, image):
    policy = replace(image, name="policy", classes=4)
    result = processor.run_by_policy(policy.to_bytes(), PICTURES)
    assert [run["network"] for run in fake.runs] == 3 * [policy.network_register] + 3 * [
        word("network", layers=4, timesteps=2, classes=10)]
    assert result.classes.tolist() == [1] * 3 and result.logits.shape == (3, 10)
    assert result.cycles.tolist() == [200] * 3 and result.counters["neurons"].tolist() == [214] * 3
    loaded = fake.loaded[:]
    fake.loaded.clear()
    processor.run(PICTURES)
    assert processor.image == image and loaded == [
        *policy.load_words(), *fake.loaded, *image.load_words(), *fake.loaded]


def test_a_policy_that_fails_leaves_the_network(processor, fake, image):
    fake.run_error = ErrorCode.CYCLES
    with pytest.raises(ReportedError):
        processor.run_by_policy(image, PICTURES)
    assert processor.image == image and fake.quiet
    runs_well(processor)


def test_a_policy_that_wants_more_timesteps_than_there_are_is_refused(processor, fake, image):
    processor.load(replace(image, timesteps=1))
    with pytest.raises(ValueError, match="from 1 to the 1 timesteps of the network digits-lif, not 2$"):
        processor.run_by_policy(image, PICTURES)
    runs_well(processor)


def test_a_signature_that_differs_fails_the_self_test(processor, fake):
    processor.self_test(PICTURES[0], fake.signatures[:4])
    with pytest.raises(SelfTestError, match="^the signature of layer 2 is 0xf0000002, not 0x00000007: the processor "
                                            "computes, but not what it should$") as error:
        processor.self_test(PICTURES[0], [*fake.signatures[:2], 7, 8])
    assert error.value.layer == 2
    with pytest.raises(ValueError, match="^the network digits-lif has 4 layers, there are 3 signatures$"):
        processor.self_test(PICTURES[0], fake.signatures[:3])


@pytest.mark.parametrize("name", ["default", "large", "stream"])
def test_the_configuration_of_every_processor_is_read(name):
    assert Processor(Pynq(Fake(preset(name)))).cfg == replace(preset(name), seen_words=ProcessorConfig.seen_words)
