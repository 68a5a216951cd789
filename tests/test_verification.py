import ast
import re

import pytest

from tests.mutants import MUTANTS, ROOT

DOCUMENT = (ROOT / "docs" / "verification.md").read_text()


def functions(path):
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_the_document_names_exists():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT)
    assert len(named) > 100
    known = {path: functions(path) for path, _ in named}
    assert [(path, name) for path, name in named if name not in known[path]] == []


def test_the_document_lists_every_mutant_and_no_other():
    rows = [f"| {mutant.name} | `rtl/{mutant.file}` | `rtl/{mutant.test}` |" for mutant in MUTANTS]
    assert re.findall(r"^\| .* \| `rtl/\w+\.py` \| .* \|$", DOCUMENT, re.MULTILINE) == rows
    assert f"**{len(MUTANTS)} of {len(MUTANTS)} are killed.**" in DOCUMENT


def test_mutants_have_names_of_their_own():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_still_be_planted(mutant):
    text = (ROOT / "rtl" / mutant.file).read_text()
    assert text.count(mutant.source) == 1
    assert mutant.replacement != mutant.source
    compile(mutant.applied(text), mutant.file, "exec")
