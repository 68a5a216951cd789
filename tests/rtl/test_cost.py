import os
import subprocess
import sys

import pytest

from model import record
from rtl import cost
from rtl.cost import measure


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """What has been measured since, when measuring takes no time; results go to a folder of the test."""
    calls = []

    def target(name):
        def measure_target(source, begin, seeds):
            begin("counting")
            calls.append((name, source.stem))
            return {"cells": len(calls)}
        return measure_target

    monkeypatch.setattr(cost, "TARGETS", {name: target(name) for name in ("ecp5", "asic")})
    monkeypatch.setattr(cost, "export", lambda processor, name: f"module {name}; endmodule\n")
    # Amaranth warns of components that are never exported.
    monkeypatch.setattr(cost, "Processor", lambda cfg: cfg)
    monkeypatch.setattr(cost, "LIBRARIES", {})
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    return calls


def test_a_width_joins_the_record_and_is_not_measured_twice(tmp_path, measured):
    measure([32], ["ecp5"], tmp_path)
    assert measured == [("ecp5", "firstlight_32")]
    figures = measure([16, 32], ["ecp5"], tmp_path, jobs=2)
    assert measured[1:] == [("ecp5", "firstlight_16")]
    assert list(figures["ecp5"]) == ["16", "32"]
    assert [figure["cells"] for figure in figures["ecp5"].values()] == [2, 1]
    assert record.read("synth") == figures
    again = measure([32], ["ecp5"], tmp_path, again=True)
    assert measured[2:] == [("ecp5", "firstlight_32")]
    assert again["ecp5"]["32"] == {**figures["ecp5"]["32"], "cells": 3}


def test_a_width_whose_verilog_has_changed_is_measured_again(tmp_path, measured, monkeypatch):
    measure([16], ["ecp5"], tmp_path)
    monkeypatch.setattr(cost, "export", lambda processor, name: f"module {name} (input clk); endmodule\n")
    measure([16], ["ecp5"], tmp_path)
    assert len(measured) == 2


def test_what_was_measured_before_a_tool_failed_is_not_measured_again(tmp_path, measured, monkeypatch):
    def fails(source, begin, seeds):
        raise RuntimeError("no such luck")

    works = cost.TARGETS["asic"]
    monkeypatch.setitem(cost.TARGETS, "asic", fails)
    with pytest.raises(RuntimeError, match="^no such luck$"):
        measure([16], ["ecp5", "asic"], tmp_path)
    assert record.read("synth") is None
    monkeypatch.setitem(cost.TARGETS, "asic", works)
    figures = measure([16], ["ecp5", "asic"], tmp_path)
    assert measured == [("ecp5", "firstlight_16"), ("asic", "firstlight_16")]
    assert [figure["16"]["cells"] for figure in figures.values()] == [1, 2]
    assert record.read("synth") == figures


def test_a_run_without_news_leaves_the_record_alone(tmp_path, measured):
    measure([16], ["ecp5"], tmp_path)
    path = record.RESULTS / "synth.json"
    path.write_text(path.read_text().replace("nox -s synth", "by hand"))
    measure([16], ["ecp5"], tmp_path)
    assert "by hand" in path.read_text()


@pytest.mark.parametrize("arguments, message", [
    (("--columns", "48"), "columns must be one of 16, 32, 64, 128, not 48"),
    (("--targets", "ice40"), "there is no target called 'ice40'; there are ecp5, asic"),
    (("--jobs", "0"), "jobs must be at least 1, not 0"),
    (("--seeds", "0"), "seeds must be at least 1, not 0"),
])
def test_what_cannot_be_measured_is_one_sentence_and_exit_code_1(tmp_path, arguments, message):
    refused = subprocess.run([sys.executable, "-m", "rtl", "cost", "--out", tmp_path, *arguments],
                             capture_output=True, encoding="utf-8")
    assert (refused.returncode, refused.stderr, refused.stdout) == (1, f"{message}\n", "")


def test_a_liberty_file_that_is_missing_is_one_sentence_before_anything_is_measured(tmp_path):
    # A proxy that nobody listens at: there is no network.
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    environment = {**os.environ, **nowhere, "FIRSTLIGHT_DATA": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path),
                   "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path), "no_proxy": "", "NO_PROXY": ""}
    refused = subprocess.run([sys.executable, "-m", "rtl", "cost", "--columns", "16", "--targets", "asic", "--again",
                              "--out", tmp_path], capture_output=True, encoding="utf-8", env=environment)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"sky130hd/sky130hd_tt.lib is missing: neither {tmp_path} (FIRSTLIGHT_DATA) nor ")
    assert refused.stderr.count("\n") == 1
