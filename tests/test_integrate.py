"""What docs/integrate.md tells a newcomer to do, word for word."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.__main__ import parser

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "integrate.md").read_text()
SOURCES = ("program.c", "batch.c", "classify.py")
COMMANDS = re.findall(r"^    ((?:pip|python|g\+\+) .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path):
    """Where a newcomer stands, without what was built before."""
    for name in ("networks", "firmware"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = re.findall(r"^```[a-z]+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
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
        ["g++", "-Wall", "-Wextra"], ["python", "-m", "model"], ["g++", "-Wall", "-Wextra"], ["python", "-m", "cosim"],
        ["python", "classify.py"], ["python", "-m", "cosim"]]


@pytest.mark.parametrize("end, file", [("--out digits.image", "digits.image"),
                                       ("--out streamed.image", "streamed.image"),
                                       ("--out verilog", "verilog/firstlight_tiny.sv"), ("-o program.o", "program.o"),
                                       ("-o batch.o", "batch.o")])
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


def test_quotes_sentences_of_the_driver():
    header = (ROOT / "firmware" / "firstlight_driver.h").read_text() + (ROOT / "firmware" / "firstlight.h").read_text()
    quoted = re.findall(r"^\| ([A-Zc][^|]*\.) \|", PAGE, re.MULTILINE)
    assert len(quoted) == 6
    assert [sentence for sentence in quoted if f'"{sentence}"' not in header] == []
