import os
import subprocess
import sys

import pytest

from model.config import PRESETS, ProcessorConfig, preset
from rtl.netlist import lint, synthesize
from rtl.processor import Processor
from rtl.tile import Tile
from rtl.verilog import export
from rtl.wishbone import WishboneProcessor


def door(*arguments, hash_seed="0"):
    return subprocess.run([sys.executable, "-m", "rtl", *map(str, arguments)], capture_output=True, encoding="utf-8",
                          env={**os.environ, "PYTHONHASHSEED": hash_seed})


# `nox -s verilog` lints every preset, and takes minutes.
def test_verilog_is_the_same_in_every_run_and_passes_lint(tmp_path):
    texts = set()
    for seed in ("1", "2"):
        assert door("verilog", "--config", "tiny", "--out", tmp_path / seed, hash_seed=seed).returncode == 0
        path = tmp_path / seed / "firstlight_tiny.sv"
        texts.add(path.read_bytes())
    assert len(texts) == 1
    assert lint(path, path.stem) == ""


def test_a_processor_with_a_memory_passes_lint(tmp_path):
    cfg = ProcessorConfig(columns=16, tiles=2, walkers=2, encoders=8, span=2, rows=400, memory_width=128)
    path = tmp_path / "firstlight.sv"
    path.write_text(export(Processor(cfg), "firstlight"))
    assert lint(path, path.stem) == ""


def test_a_processor_with_a_memory_passes_lint_on_wishbone_too(tmp_path):
    cfg = ProcessorConfig(columns=16, tiles=1, encoders=8, rows=400, memory_width=64)
    path = tmp_path / "firstlight.sv"
    path.write_text(export(WishboneProcessor(cfg), "firstlight"))
    assert lint(path, path.stem) == ""


def test_lint_finds_a_latch(tmp_path):
    path = tmp_path / "latch.sv"
    path.write_text("module latch(input en, input d, output reg q); always_comb if (en) q = d; endmodule\n")
    assert "latch" in lint(path, "latch").lower()


def test_synthesis_counts_what_a_tile_cannot_do_without(tmp_path):
    cfg = preset("tiny")
    path = tmp_path / "tile.sv"
    path.write_text(export(Tile(cfg), "tile"))
    counts = synthesize(path, "tile")
    assert counts["flip-flop"] >= cfg.columns * cfg.numerics.accumulator_width
    assert counts["block RAM"] >= 1
    assert counts["multiplier"] == 0


def test_a_processor_whose_weights_no_device_holds_is_not_mapped():
    said = door("synth", "--config", "large")
    assert (said.returncode, said.stdout) == (0, "large: its weights are 10485760 bits, the block RAM of the largest "
                                                 "ECP5 is 3833856: not mapped\n")


def test_synthesis_refuses_what_is_no_verilog(tmp_path):
    path = tmp_path / "wrong.sv"
    path.write_text("module wrong(")
    with pytest.raises(RuntimeError, match="^Yosys refuses .*wrong.sv"):
        synthesize(path, "wrong")


def test_an_unknown_configuration_is_one_sentence_and_exit_code_1():
    refused = door("verilog", "--config", "huge")
    assert refused.returncode == 1
    assert refused.stderr == f"there is no configuration called 'huge'; there are {', '.join(PRESETS)}\n"


def test_an_unknown_bus_is_one_sentence_and_exit_code_1():
    refused = door("verilog", "--config", "tiny", "--bus", "pci")
    assert (refused.returncode, refused.stderr) == (1, "there is no bus called 'pci'; there are axi, wishbone\n")
