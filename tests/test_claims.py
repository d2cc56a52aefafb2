"""Every claim has a proof that exists and says what the claim says, and every number of a chapter has a claim.

The proofs themselves are tests and notebook cells, which run beside these.
"""

from __future__ import annotations

import dataclasses
import re

import nbformat
import pytest

from sessionlab.course import claims, claims_next, proofs
from sessionlab.course.catalogue import NOTEBOOKS
from sessionlab.course.claims import load
from sessionlab.course.numbers import Figure, figures, prose

CLAIMS = load()
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("claim", tuple(CLAIMS), ids=lambda claim: claim.id)
def test_a_claim_has_a_proof_that_holds(claim):
    assert not proofs.problems(claim)


def test_no_claim_is_unproven():
    assert CLAIMS.verdicts()["unproven"] == 0


def test_every_source_has_claims_and_every_claim_a_sentence():
    assert {claim.source.letter for claim in CLAIMS} == set(CLAIMS.sources)
    assert all(text.endswith((".", "!", "?")) for claim in CLAIMS for text in (claim.says, claim.measured))
    assert len({claim.says for claim in CLAIMS}) == len(CLAIMS)


TESTED = [c for c in CLAIMS if c.source.letter != "C" and not any(p.startswith("notebooks/") for p in c.proof)]


@pytest.mark.parametrize("claim", TESTED, ids=lambda claim: claim.id)
def test_what_a_source_says_is_in_a_chapter_or_there_is_a_reason_why_not(claim):
    chapter, _, words = claim.taught.partition(": ")
    if claim.untaught:
        assert not claim.taught and claim.untaught.endswith(".")
    else:
        cells = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", 4).cells
        assert words and any(words in cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_number_of_a_chapter_has_a_claim(path):
    missing = [f"{figure} (under {heading!r})" for heading, figure in proofs.uncarried(path, CLAIMS)]
    assert not missing, "add them to a claim's `numbers`, or to `[settings]` if the chapter chose them"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_setting_is_still_stated(path):
    stated = set(
        figures(prose("\n\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")))
    )
    assert not set(proofs.set_by(path, CLAIMS)) - stated
    assert set(CLAIMS.settings) <= {path.stem for path in CHAPTERS}


# -- the checks see what they look for ------------------------------------------------------------------------------

R06 = CLAIMS["R06"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(proof=()), "no proof"),
        (dict(proof=("tests/test_claims.py::test_nowhere",)), "no test test_nowhere"),
        (dict(proof=("tests/test_nowhere.py::test_x",)), "no test test_x"),
        (dict(proof=("notebooks/02_reconnect.ipynb#Nowhere",)), "no heading 'Nowhere'"),
        (dict(proof=("notebooks/02_nowhere.ipynb#Arrays",)), "no heading 'Arrays'"),
        (dict(proof=("data/recordings/nothing.json",)), "no recording"),
        (dict(proof=("data/penguins.csv",)), "no recording"),
        (dict(prints=("attempts after [1, 3, 7, 15, 31, 63] s",)), "prints 'attempts after [1, 3"),
        (dict(prints=()), "not what a cell prints"),
        (dict(numbers=("0, 2, 6, 14 and 31.5 s",)), "knows nothing of 31.5 s"),
        (dict(numbers=("77 s = 30 + 47",)), "knows nothing of 77 s"),
        (dict(numbers=("45 s = 30 + 14",)), "knows nothing of 45 s"),
        (dict(versions={"panel": "1.9.4", "bokeh": "3.10.0"}), "it holds for"),
        (dict(verdict="certainly"), "no verdict"),
    ],
)
def test_a_broken_claim_is_found(change, says):
    assert not proofs.problems(R06)
    found = proofs.problems(dataclasses.replace(R06, **change))
    assert any(says in problem for problem in found), found


def test_what_is_not_compared_is_no_proof(tmp_path, monkeypatch):
    notebook = nbformat.read(NOTEBOOKS / "02_reconnect.ipynb", 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata["tags"] = ["nbval-ignore-output"]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks/02_reconnect.ipynb")
    monkeypatch.setattr(proofs, "ROOT", tmp_path)
    only_cells = dataclasses.replace(R06, proof=R06.proof[:1], numbers=())
    assert len(proofs.problems(only_cells)) == len(R06.prints)


def test_a_number_without_a_claim_is_found(tmp_path):
    chapter = tmp_path / "02_reconnect.ipynb"
    cell = nbformat.v4.new_markdown_cell("# A\n\nAfter 10 s, in fact after 77.5 s.\n\n## B\n\nFrom 15 to 33 s.")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), chapter)
    assert proofs.uncarried(chapter, CLAIMS) == [("A", Figure("77.5", "s")), ("B", Figure("33", "s"))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0, 2, 6, 14 and 30 s after", ["0 s", "2 s", "6 s", "14 s", "30 s"]),
        ("between **15 and 32 s**, or 15-32 seconds", ["15 s", "32 s", "15 s", "32 s"]),
        ("15 000 ms, 1.6 MB, 30 %", ["15000 ms", "1.6 MB", "30 %"]),
        ("Bokeh 3.10 and Panel 1.9.4", ["Bokeh 3.10", "Panel 1.9.4"]),
        ("chapter 02, step 3 of 7; 03 session lifetimes; port 5006 serves", []),
    ],
)
def test_figures_are_numbers_with_a_unit(text, found):
    assert list(map(str, figures(text))) == found


def test_code_quotations_and_the_head_are_no_prose():
    text = (
        '| **Time** | 30 minutes |\n\n`sleep 10 s`, the guide says "63 seconds"\n\n    wait 5 s\n\n```\n4 s\n```\n7 s'
    )
    assert list(map(str, figures(prose(text)))) == ["7 s"]


def test_ids_are_used_once(tmp_path):
    twice = tmp_path / "claims.toml"
    text = claims.FILE.read_text()
    start = text.index("[[claim]]")
    twice.write_text(text + text[start : text.index("[[claim]]", start + 1)])
    with pytest.raises(ValueError, match="R01"):
        load(twice)


def test_the_table_says_it_all(capsys, monkeypatch):
    text = str(CLAIMS)
    assert all(claim.id in text and claim.says in text for claim in CLAIMS)
    assert text.endswith("0 unproven")
    monkeypatch.setattr("sys.argv", ["claims", "backoff", "seconds"])
    with pytest.raises(SystemExit) as end:
        claims.main()
    assert not end.value.code
    assert capsys.readouterr().out.startswith("R06  false")


# -- with newer versions ----------------------------------------------------------------------------------------------


def test_the_results_of_a_run_are_found_by_claim():
    test = "tests/test_claims_code.py::test_zero_is_refused"
    section = "notebooks/01_anatomy.ipynb#Predict: how many sessions?"
    (first, *_) = claims_next.parts(section)
    cell = first.replace("\\", "")
    found = {f"{test}[one]": "passed", f"{test}[two]": "failed", f"{test}_never": "failed", cell: "passed"}
    assert claims_next.outcome(test, found) == "failed"
    assert claims_next.outcome(section, found) == "passed"
    assert claims_next.outcome("tests/test_claims.py::test_nowhere", found) == "not run"
    assert claims_next.outcome("data/recordings/backoff.json", found) == "recorded"


def test_the_lock_without_panel_and_bokeh_is_still_a_lock(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(claims_next.subprocess, "run", lambda command, check: commands.append(command))
    claims_next.environment(tmp_path / "newest", ["panel", "bokeh"])
    left = (tmp_path / "newest.txt").read_text()
    names = re.findall(r"(?m)^([\w.-]+)==", left)
    assert len(names) > 100 and not {"panel", "bokeh"} & set(names)
    assert all(re.match(r"([\w.\[\]-]+==|    (--hash|# via|#   )|$)", line) for line in left.splitlines())
    assert commands[2][-2:] == ["panel", "bokeh"]
