import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from cosim import firmware
from cosim.__main__ import main
from cosim.simulator import BenchError, Simulation
from cosim.soc import SOC, batch, flash, soc
from model.config import preset
from model.convert import convert
from model.trained import load
from rtl.registers import enumeration

CFG = preset("tiny")
STREAM = preset("tiny_stream")
IMAGES = 2


@pytest.fixture(scope="module")
def ttfs():
    return convert(load(firmware.NETWORKS / "digits-ttfs"))


@pytest.fixture(scope="module")
def known(ttfs):
    return [batch(ttfs, CFG, IMAGES)]


@pytest.fixture(scope="module")
def system():
    return Simulation(soc(CFG), SOC)


def test_the_committed_program_is_that_of_its_sources(tmp_path):
    assert firmware.PROGRAM.read_text() == firmware.build(tmp_path), (
        "stale: run `python -m cosim firmware --build` and commit it")


@pytest.mark.skipif(not shutil.which("riscv64-unknown-elf-gcc"), reason="Debian's gcc-riscv64-unknown-elf is not there")
def test_another_compilers_program_does_the_same(system, known, tmp_path):
    program = tmp_path / "program.hex"
    program.write_text(firmware.build(tmp_path, compiler="gcc"))
    assert program.read_text() != firmware.PROGRAM.read_text()
    lines = firmware.run(system, flash(known, CFG), tmp_path, program=program)
    assert firmware.first_difference(firmware.expected(known), lines) is None


def test_a_compiler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(firmware.COMPILERS, "gcc", (("no-such-gcc",), ()))
    with pytest.raises(firmware.CompileError, match="^there is no no-such-gcc on this machine$"):
        firmware.build(tmp_path, compiler="gcc")


def test_every_number_it_prints_is_the_models(tmp_path, capsys):
    assert main(["firmware", "--images", str(IMAGES), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("self-test passed") == 2
    # One run of each self-test, one of each picture, one more where a policy is asked.
    assert f"slept {2 + 4 * IMAGES} times\n\nevery number is that of the golden model" in said
    # The policy has the second picture run for longer.
    timesteps = [int(row.split()[2]) for row in said.splitlines() if re.match(r" +\d", row)]
    assert len(timesteps) == 3 * IMAGES and max(timesteps) > 1


def test_with_a_memory_every_number_is_the_models_of_weights_from_there_and_of_batches(tmp_path):
    batches = firmware.digits(STREAM, IMAGES)
    assert all(each.image.memory() for each in batches)
    lines = firmware.run(Simulation(soc(STREAM), SOC), flash(batches, STREAM), tmp_path)
    assert firmware.first_difference(firmware.expected(batches), lines) is None
    assert lines.count("as a batch") == 2


def word(content, index):
    return int(np.frombuffer(content, "<u4")[index])


def with_flipped_bit(content, offset):
    """``content`` with another byte at ``offset``."""
    return content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1:]


# Words of the first job in the directory: its image, and its known signatures.
IMAGE, SIGNATURES = 2, 6


@pytest.mark.parametrize("spoil, sentence", [
    (lambda content: with_flipped_bit(content, word(content, IMAGE) + 100),
     "The image is corrupt: its CRC is not that of its content. Layer 0, detail 0."),
    (lambda content: with_flipped_bit(content, word(content, SIGNATURES) + 8),
     "The processor computes, but not what it should: a signature differs. Layer 2, detail 0.")])
def test_a_program_that_fails_says_why(system, known, tmp_path, spoil, sentence):
    with pytest.raises(BenchError) as error:
        firmware.run(system, spoil(flash(known, CFG)), tmp_path)
    assert "the program ended with status" in str(error.value)
    assert str(error.value).endswith(f"\nerror: {sentence}")


def test_a_program_for_another_processor_says_so(system, ttfs, tmp_path):
    other = preset("default")
    with pytest.raises(BenchError) as error:
        firmware.run(system, flash([batch(ttfs, other, 1)], other), tmp_path)
    assert "error: The image is for other columns, tiles or encoders than the processor's. " in str(error.value)


@pytest.mark.parametrize("program, message", [
    ("00000000", "the program made an access, or ran an instruction, that there is not"),
    ("0000006f", "the program wrote nothing for 1000 cycles")], ids=["illegal", "endless"])
def test_a_program_that_goes_wrong_is_given_up(system, known, tmp_path, program, message):
    file = tmp_path / "program.hex"
    file.write_text(program)
    with pytest.raises(BenchError, match=message):
        firmware.run(system, flash(known, CFG), tmp_path / "run", program=file, silence=1000)


def test_the_first_line_that_differs_is_shown(known):
    wanted = firmware.expected(known)
    assert firmware.first_difference(wanted, wanted) is None
    got = [*wanted[:5], wanted[5].replace("1", "2"), *wanted[6:]]
    assert firmware.first_difference(wanted, got) == (
        f"line 6 of the console: expected\n{wanted[5]}\ngot\n{got[5]}")
    assert firmware.first_difference(wanted, wanted[:-1]) == (
        f"line {len(wanted)} of the console: expected\nslept {IMAGES + 1} times\ngot\nnothing")


def test_a_program_with_a_mistake_is_refused_in_the_words_of_the_compiler(tmp_path):
    file = tmp_path / "main.c"
    file.write_text("int main(void) { return mistake; }\n")
    with pytest.raises(firmware.CompileError, match="main.c.*undeclared identifier 'mistake'"):
        firmware.build(tmp_path, file)


@pytest.mark.parametrize("cfg", [CFG, STREAM], ids=["without a memory", "with a memory"])
def test_the_processor_forgives_every_error_that_the_driver_reports(ttfs, cfg, tmp_path):
    program = tmp_path / "errors.hex"
    program.write_text(firmware.build(tmp_path, Path(__file__).parents[1] / "firmware" / "errors.c"))
    lines = firmware.run(Simulation(soc(cfg), SOC), flash([batch(ttfs, cfg, 1)], cfg), tmp_path, program=program)
    codes, time_out = enumeration("ErrorCode"), 258
    reported = [*(code for code in codes if code not in (codes.NONE, codes.MEMORY)), time_out, codes.NONE]
    # The memory stops before a load, in the midst of two runs, and in the midst of a batch.
    memorys = [codes.MEMORY, codes.CYCLES, codes.CYCLES, time_out, codes.CYCLES] if cfg.memory_width else []
    assert [int(line.split()[0]) for line in lines] == reported + memorys
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize("arguments, message", [
    (["--images", "0"], "--images must be between 1 and 360, not 0"),
    (["fashion-lif", "--images", "2"], "network fashion-lif is too large: it needs state_words = 39941, the processor "
                                       "has 2048")])
def test_a_mistake_is_one_sentence(arguments, message, tmp_path, capsys):
    assert main(["firmware", *arguments, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_flash_that_is_too_small_is_refused(ttfs):
    with pytest.raises(ValueError, match="^images and pictures take [0-9]+ bytes, the simulated flash has 1048576$"):
        flash([batch(ttfs, CFG, 1)] * 150, CFG)
