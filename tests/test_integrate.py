"""What docs/integrate.md tells a newcomer to do, word for word."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.__main__ import parser
from model import record
from rtl.__main__ import parser as rtl_parser

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "integrate.md").read_text()
SOURCES = ("program.c", "batch.c", "classify.py")
COMMANDS = re.findall(r"^    ((?:pip|python|g\+\+) .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path):
    """Where a newcomer stands, without what was built before."""
    for name in ("networks", "firmware"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = re.findall(r"^```(?:c|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for name, program in zip(SOURCES, programs, strict=True):
        (tmp_path / name).write_text(program)
    return tmp_path


def run(end, folder):
    """Run the command that ends so; what it prints, and the files that are there then."""
    command, = (command for command in COMMANDS if command.endswith(end))
    program, *words = shlex.split(command)
    made = subprocess.run([sys.executable if program == "python" else program, *words], cwd=folder,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                          capture_output=True, encoding="utf-8")
    assert made.returncode == 0, made.stderr
    return made.stdout, {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {*SOURCES}


def test_has_these_commands():
    assert [command.split(" ")[:3] for command in COMMANDS] == [
        ["pip", "install", "-c"], ["python", "-m", "cosim"], ["python", "-m", "model"], ["python", "-m", "rtl"],
        ["python", "-m", "rtl"], ["g++", "-Wall", "-Wextra"], ["python", "-m", "model"], ["g++", "-Wall", "-Wextra"],
        ["python", "-m", "cosim"], ["python", "classify.py"], ["pip", "install", "-c"], ["python", "-m", "rtl"],
        ["python", "-m", "cosim"]]


@pytest.mark.parametrize("end, file", [("--out digits.image", "digits.image"),
                                       ("--out streamed.image", "streamed.image"),
                                       ("--config tiny --out verilog", "verilog/firstlight_tiny.sv"),
                                       ("--bus wishbone --out verilog", "verilog/firstlight_tiny_wishbone.sv"),
                                       ("-o program.o", "program.o"), ("-o batch.o", "batch.o")])
def test_a_command_writes_its_file(folder, end, file):
    assert file in run(end, folder)[1]


def test_the_program_in_python_prints_what_is_said(folder):
    run("--out digits.image", folder)
    printed, _ = run("classify.py", folder)
    assert f"\n    {printed}" in PAGE and printed.startswith("[0 1 2 3] ")


def test_the_simulations_can_be_asked_for():
    """They run in tests/cosim/test_firmware.py."""
    commands = [shlex.split(command)[3:] for command in COMMANDS if command.startswith("python -m cosim")]
    assert [parser().parse_args(words).networks for words in commands] == [["digits-lif"]] * 3


def test_fusesoc_lints_the_core_as_the_page_says(tmp_path):
    lines = re.findall(r"^    ((?:export|fusesoc) .*)$", PAGE, re.MULTILINE)
    assert len(lines) == 4
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    script = "\n".join(lines).replace("CHECKOUT", shlex.quote(str(ROOT)))
    ran = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path,
                         env=os.environ | {"PATH": path}, capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stderr
    assert [*tmp_path.rglob("firstlight_tiny.sv")]


def test_the_bitstream_can_be_asked_for_and_is_as_the_page_says():
    """It is built by `nox -s board`."""
    command, = (shlex.split(command)[3:] for command in COMMANDS if command.startswith("python -m rtl board"))
    options = rtl_parser().parse_args(command)
    figures = record.read("board")
    assert (figures["board"], figures["configuration"]) == (options.board, options.config)
    used = figures["used"]
    assert (f"{used['TRELLIS_COMB'][0]} of {used['TRELLIS_COMB'][1]} logic cells, {used['DP16KD'][0]} of "
            f"{used['DP16KD'][1]} block RAMs, {figures['MHz']} MHz where the board has {figures['wanted MHz']:g}"
            ) in " ".join(PAGE.split())


def test_quotes_sentences_of_the_driver():
    header = (ROOT / "firmware" / "firstlight_driver.h").read_text() + (ROOT / "firmware" / "firstlight.h").read_text()
    quoted = re.findall(r"^\| ([A-Zc][^|]*\.) \|", PAGE, re.MULTILINE)
    assert len(quoted) == 7
    assert [sentence for sentence in quoted if f'"{sentence}"' not in header] == []
