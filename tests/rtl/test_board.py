import re
import subprocess
import sys

import pytest

from model import record
from model.config import preset
from rtl import board
from rtl.board import BOARDS, build, plan

PINS = {"clk25_0": "G2", "uart_0__rx": "M1", "uart_0__tx": "L4", "led_0": "B2", "led_1": "C2"}


def test_a_board_has_its_clock_and_its_pins_and_no_others():
    constraints = plan("ulx3s-85f", preset("tiny")).files["firstlight.lpf"]
    assert dict(re.findall(r'^LOCATE COMP "(\w+)__io" SITE "(\w+)";$', constraints, re.MULTILINE)) == PINS
    assert re.findall(r'^FREQUENCY .*$', constraints, re.MULTILINE) == ['FREQUENCY PORT "clk25_0__io" 25000000.0 HZ;']


# `nox -s board` builds the bitstream, and takes minutes.
def test_the_smallest_board_holds_the_smallest_processor_which_is_faster_than_its_clock():
    figures = record.read("board")
    assert (figures["board"], figures["configuration"]) == ("ulx3s-12f", "tiny")
    assert figures["MHz"] >= figures["wanted MHz"] == 25
    assert all(used <= available for used, available in figures["used"].values())


@pytest.mark.parametrize("arguments, message", [
    (("--board", "icestick"), f"there is no board called 'icestick'; there are {', '.join(BOARDS)}"),
    (("--config", "stream"), "the design for a board has no memory for weights: choose a configuration without a "
                             "memory bus")])
def test_a_mistake_is_one_sentence_and_exit_code_1(arguments, message):
    refused = subprocess.run([sys.executable, "-m", "rtl", "board", *arguments], capture_output=True, encoding="utf-8")
    assert (refused.returncode, refused.stderr) == (1, message + "\n")


@pytest.mark.parametrize("script, message", [
    ("echo 'ERROR: no BELs remaining' > firstlight.tim; exit 1", "no BELs remaining"),
    ("echo this is broken >&2; exit 2", "this is broken")])
def test_a_build_that_fails_leaves_no_bitstream_and_says_why(script, message, tmp_path, monkeypatch):
    prepared = plan("ulx3s-12f", preset("tiny"))
    prepared.files[f"{prepared.script}.sh"] = script
    monkeypatch.setattr(board, "plan", lambda *_: prepared)
    (tmp_path / "firstlight.bit").touch()
    with pytest.raises(RuntimeError, match=f"^there is no bitstream for ulx3s-12f: {message}$"):
        build("ulx3s-12f", preset("tiny"), tmp_path)
    assert not (tmp_path / "firstlight.bit").exists()
