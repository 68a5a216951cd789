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
COMMANDS = re.findall(r"^    ((?:pip|python|g\+\+) .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path):
    """Where a newcomer stands, without what was built before."""
    for name in ("networks", "firmware"):
        (tmp_path / name).symlink_to(ROOT / name)
    program, = re.findall(r"^```c\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "program.c").write_text(program)
    return tmp_path


def made_by(command, folder):
    """Run a command; the files it wrote."""
    program, *words = shlex.split(command)
    made = subprocess.run([sys.executable if program == "python" else program, *words], cwd=folder,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                          capture_output=True, encoding="utf-8")
    assert made.returncode == 0, made.stderr
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"program.c"}


def test_has_these_commands():
    assert [command.split(" ")[:3] for command in COMMANDS] == [
        ["pip", "install", "-c"], ["python", "-m", "cosim"], ["python", "-m", "model"], ["python", "-m", "rtl"],
        ["python", "-m", "rtl"], ["g++", "-Wall", "-Wextra"], ["python", "-m", "cosim"], ["pip", "install", "-c"],
        ["python", "-m", "rtl"]]


@pytest.mark.parametrize("start, file", [
    ("python -m model", "digits.image"), ("g++", "program.o"),
    ("python -m rtl verilog --config tiny --out", "verilog/firstlight_tiny.sv"),
    ("python -m rtl verilog --config tiny --bus wishbone", "verilog/firstlight_tiny_wishbone.sv")])
def test_a_command_writes_its_file(folder, start, file):
    command, = (command for command in COMMANDS if command.startswith(start))
    assert file in made_by(command, folder)


def test_the_simulations_can_be_asked_for():
    """They run in tests/cosim/test_firmware.py."""
    commands = [shlex.split(command)[3:] for command in COMMANDS if command.startswith("python -m cosim")]
    assert [parser().parse_args(words).networks for words in commands] == [["digits-lif"]] * 2


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
    assert len(quoted) == 5
    assert [sentence for sentence in quoted if f'"{sentence}"' not in header] == []
