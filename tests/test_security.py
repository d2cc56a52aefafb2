"""Every row of the table of threats names a test that tries it, and the test is there."""

from __future__ import annotations

import ast
import re

import pytest

from sessionlab.course.catalogue import ROOT
from sessionlab.syntax import parse

TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| who |")]
NAMED = sorted(set(re.findall(r"`(test_\w+)::(test_\w+)`", TEXT)))


def test_every_threat_has_its_test():
    assert len(ROWS) > 15 and not [row for row in ROWS if not re.search(r"\| `test_\w+::test_\w+` \|$", row)]


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_the_test_is_there(module, name):
    tree = parse((ROOT / "tests" / f"{module}.py").read_text("utf-8"))
    found = [node for node in ast.walk(tree) if getattr(node, "name", "") == name]
    assert found and any(isinstance(node, ast.Assert | ast.With | ast.AsyncWith) for node in ast.walk(found[0]))
