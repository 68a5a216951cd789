"""Every number that was measured or published elsewhere says where."""

import ast
import gc
from pathlib import Path

import pytest

from model import crossbar, energy
from model.constant import Constant

MODULES = (crossbar, energy)
# What makes a Constant, or several.
MAKERS = ("Constant", "_spikesim", "_horowitz", "_stillmaker", "_node")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_no_number_with_digits_behind_a_point_is_written_anywhere_else(module):
    tree = ast.parse(Path(module.__file__).read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MAKERS)
    told = {id(number) for call in calls for argument in call.args for number in ast.walk(argument)}
    floats = [node.value for node in ast.walk(tree)
              if isinstance(node, ast.Constant) and type(node.value) is float and id(node) not in told]
    assert set(floats) <= {0.0}


def test_every_constant_has_a_unit_and_a_source():
    constants = [each for each in gc.get_objects() if type(each) is Constant]
    assert len(constants) > 30
    for each in constants:
        assert each.unit and len(each.source) > 10, float(each)
