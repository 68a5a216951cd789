"""The import rules of the project, one line each."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Imports every module it is given in a process of its own and says which of them brought in the forbidden packages.
IMPORTER = """
import importlib, json, sys
modules, forbidden = json.loads(sys.argv[1])
guilty = {}
for module in modules:
    importlib.import_module(module)
    for package in forbidden:
        if package in sys.modules:
            guilty.setdefault(package, module)
print(json.dumps(guilty))
"""


def modules(package):
    """Every module of ``package``, except ``__main__``, which runs when it is imported."""
    for path in sorted((ROOT / package).rglob("*.py")):
        if path.stem != "__main__":
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("importing, forbidden", [
    (["model.config", "model.coding", "model.tables", "model.descriptor", "model.image", "model.answer", "model.batch",
      "model.record", "model.fetch", "model.page"],
     ["torch", "amaranth"]),
    (list(modules("model")), ["amaranth", "cocotb"]),
    (list(modules("rtl")), ["torch", "cocotb"]),
    (list(modules("firmware")), ["torch", "amaranth", "systemrdl", "cocotb", "rtl", "cosim"]),
    ([*modules("model"), *modules("rtl"), *modules("cosim"), *modules("firmware")], ["tests", "hypothesis"]),
], ids=["numbers", "model", "rtl", "firmware", "all"])
def test_imports_point_one_way(importing, forbidden):
    assert importing
    code = subprocess.run([sys.executable, "-c", IMPORTER, json.dumps([importing, forbidden])],
                          cwd=ROOT, capture_output=True, encoding="utf-8")
    assert code.returncode == 0, code.stderr
    assert json.loads(code.stdout) == {}, "package and the first module that imports it"


def test_packages_hold_a_docstring_and_nothing_else():
    for package in ("model", "rtl", "cosim", "firmware"):
        for path in (ROOT / package).rglob("__init__.py"):
            assert len(ast.parse(path.read_text()).body) == 1, path
