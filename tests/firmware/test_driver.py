"""The driver on this machine: against a fake processor, and against what Python writes to the load window."""

import re
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from cosim.bench_supply import chosen
from cosim.host import batch_registers
from cosim.lockstep import expected_result
from cosim.random_networks import seeded
from cosim.soak import STREAMING, streaming_seeds
from model import datasets, processor
from model.answer import HARDWARE_COUNTERS, Answer
from model.batch import laid_out
from model.compiler import compile
from model.config import BURST_BEATS, NO_SYNAPSE, SILENT, ProcessorConfig, preset
from model.convert import convert
from model.encode import picture_codes
from model.image import picture
from model.network import Coding, Layer, Network, Unfold
from model.trained import load
from rtl.registers import enumeration

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware"
NETWORKS = HERE.parents[1] / "networks"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wshadow", "-g",
         "-fsanitize=address,undefined", "-fno-sanitize-recover", "-I", str(FIRMWARE))
# Pixels from black to white, as a map: those of the digits, and bytes.
GREYS = {"digits": np.arange(17).reshape(1, 1, 17), "bytes": np.arange(256).reshape(1, 16, 16)}
CODINGS = [Coding(window=window, tau=tau, nearest=nearest)
           for window in (1, 2, 24, 31) for tau in (1, 2, 4) for nearest in (False, True)]


def build(folder, main):
    """A program of the driver, the fake and ``main``."""
    sources = [FIRMWARE / "firstlight_driver.c", HERE / "fake.c", HERE / main]
    program = folder / Path(main).stem
    # g++ takes each file for C++ that it is not told about.
    languages = [word for source in sources for word in ("-x", "c", str(source))]
    subprocess.run(["g++", *FLAGS, *languages, "-o", str(program)], check=True)
    return program


def run(program, *words):
    """What it prints; fails with what it says."""
    made = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The tests in C, and the images they are given."""
    folder, network = tmp_path_factory.mktemp("driver"), convert(load(NETWORKS / "digits-lif"))
    images = [folder / config for config in ("tiny", "tiny_stream")]
    for image in images:
        image.write_bytes(compile(network, preset(image.name)).to_bytes())
    return build(folder, "test_driver.c"), *images


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return build(tmp_path_factory.mktemp("words"), "words.c")


TESTS = re.findall(r"^TEST\((\w+)\)", (HERE / "test_driver.c").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", TESTS)
def test_fake_processor(driver, name):
    run(*driver, name)


def test_every_error_is_provoked_by_one_of_them(driver):
    assert len(TESTS) == 32
    run(*driver)


def test_every_error_code_of_the_register_map_has_a_status():
    header, codes = (FIRMWARE / "firstlight_driver.h").read_text(), enumeration("ErrorCode")
    assert [code.name for code in codes if f", FIRSTLIGHT__ERROR_CODE__{code.name}, " not in header] == []
    # What the driver takes for the last one.
    assert max(codes).name == "MEMORY"


def test_programs_in_cpp_can_be_linked_with_it(tmp_path):
    program, driver = tmp_path / "program.cpp", tmp_path / "driver.o"
    program.write_text('#include "firstlight_driver.h"\n'
                       "int main() { return firstlight_message(FIRSTLIGHT_OK) == nullptr; }\n"
                       "uint32_t firstlight_read(uintptr_t, uint32_t) { return 0; }\n"
                       "void firstlight_write(uintptr_t, uint32_t, uint32_t) {}\n")
    subprocess.run(["g++", *FLAGS, "-x", "c", "-c", FIRMWARE / "firstlight_driver.c", "-o", driver], check=True)
    subprocess.run(["g++", *FLAGS[1:], program, driver, "-o", tmp_path / "program"], check=True)
    run(tmp_path / "program")


def loaded(words, folder, network, cfg, pixels, white):
    """What the driver writes for a picture (channels, height, width)."""
    image, file = folder / "image", folder / "pixels"
    image.write_bytes(compile(network, cfg).to_bytes())
    file.write_bytes(pixels.astype(np.uint8).tobytes())
    capabilities = (cfg.columns | cfg.tiles << 16 | cfg.encoders << 24, cfg.rows | cfg.walkers << 24,
                    cfg.spike_words | cfg.span << 24, cfg.layers | cfg.timesteps << 8 | cfg.classes << 16)
    lines = run(words, image, file, *pixels.shape[1:], white, *capabilities).split()
    return [int(line, 16) for line in lines], compile(network, cfg).descriptors[0]["input_words"]


@pytest.mark.parametrize("name, config", [("digits-lif", "tiny"), ("digits-ttfs", "default"),
                                          ("fashion-policy", "large")])
def test_a_picture_is_encoded_unfolded_and_packed_as_the_model_does(words, tmp_path, name, config):
    network = convert(load(NETWORKS / name))
    white = 16 if network.dataset == "digits" else 255
    for image in datasets.test_slice(network.dataset, 2).images[:2]:
        pixels = (image * white).round()
        got, input_words = loaded(words, tmp_path, network, preset(config), pixels.numpy(), white)
        codes = picture_codes(pixels[None] / white, network)[0]
        assert got == picture(codes.numpy(), input_words).words().tolist()


@pytest.mark.parametrize("seed", range(12))
def test_spikes_of_any_shape_are_packed_as_the_model_does(words, tmp_path, seed):
    case = seeded(seed, channels=(1, 2, 3, 5, 16, 17, 33))
    codes = case.codes[0].numpy()
    got, input_words = loaded(words, tmp_path, case.network, preset("default"), codes, 0)
    assert got == picture(codes, input_words).words().tolist()


def answers_of(network, codes, cfg):
    """What the processor writes into a memory when it is asked about these pictures."""
    decision = processor.run(network, codes, cfg)
    for says in (expected_result(decision, index) for index in range(len(codes))):
        counted = says["counters"] | says["cycles"]
        yield Answer(class_index=says["class"], timestep=says["exit timestep"], logits=says["logits"],
                     signatures=says["signatures"], counters={name: counted[name] for name in HARDWARE_COUNTERS})


@pytest.mark.parametrize("name", STREAMING)
def test_image_pictures_and_answers_lie_in_a_memory_as_the_model_lays_them_out(tmp_path, name):
    program, cfg, checked = build(tmp_path, "stored.c"), ProcessorConfig(**STREAMING[name]), 0
    address, offset = 1 << 31, 5 * BURST_BEATS * cfg.beat_bytes
    image, codes, written = (tmp_path / file for file in ("image", "codes", "answers"))
    for case in map(chosen, islice(streaming_seeds(cfg), 4)):
        batch = laid_out(compile(case.network, cfg), case.codes.numpy(), address + offset)
        answers = list(answers_of(case.network, case.codes, cfg))
        image.write_bytes(compile(case.network, cfg).to_bytes())
        codes.write_bytes(case.codes.numpy().tobytes())
        written.write_bytes(b"".join(answer.to_bytes(cfg.memory_width) for answer in answers))
        said = run(program, image, codes, *case.codes.shape[2:], batch.pictures, address, offset, written)
        loads, registers, memory, *lines = ([int(word) for word in line.split()] for line in said.splitlines())
        assert loads == [batch.image_address, batch.image_words]
        assert registers == list(batch_registers(batch).values())
        assert np.array(memory, "<u4").tobytes() == batch.content
        assert lines == [[answer.class_index, answer.timestep, *answer.counters.values(), *answer.logits,
                          *answer.signatures] for answer in answers]
        checked += len(lines)
    assert checked == 8


@pytest.mark.parametrize("greys", GREYS)
def test_every_grey_becomes_the_spike_of_the_model(words, tmp_path, greys):
    pixels = GREYS[greys]
    white = int(pixels.max())
    for coding in CODINGS:
        network = reader(pixels.shape, coding)
        got, input_words = loaded(words, tmp_path, network, preset("default"), pixels, white)
        codes = picture_codes(torch.tensor(pixels[None] / white).float(), network)[0].numpy()
        assert got == picture(codes, input_words).words().tolist(), coding
        assert SILENT in codes and 0 in codes


def test_unfolds_by_any_kernel_stride_and_padding(words, tmp_path):
    rng, checked = np.random.default_rng(1), 0
    for kernel in (1, 2, 3, 5):
        for stride in (1, 2, 3):
            for padding in range(kernel):
                unfold = Unfold(kernel=kernel, stride=stride, padding=padding)
                height, width, channels = rng.integers(5, 9), rng.integers(5, 9), rng.integers(1, 3)
                shape = (channels * kernel ** 2, *((side + 2 * padding - kernel) // stride + 1
                                                   for side in (height, width)))
                network = reader(tuple(map(int, shape)), Coding(window=24), unfold=unfold)
                pixels = rng.integers(0, 256, (channels, height, width))
                got, input_words = loaded(words, tmp_path, network, preset("large"), pixels, 255)
                codes = picture_codes(torch.tensor(pixels[None] / 255).float(), network)[0].numpy()
                assert got == picture(codes, input_words).words().tolist(), unfold
                checked += 1
    assert checked == 33


def reader(shape, coding, **settings):
    """A network of two classes that reads maps of this shape."""
    weight = torch.full((2, *shape), NO_SYNAPSE, dtype=torch.uint8)
    readout = Layer(name="readout", weight=weight, bias=torch.zeros(2, dtype=torch.int32),
                    gain=torch.zeros(2, dtype=torch.int32), readout=True)
    return Network(name="picture", shape=shape, input_coding=coding, layers=(readout,), **settings)
