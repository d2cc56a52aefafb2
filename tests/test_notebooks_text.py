"""Every notebook as a text: its head, its links, its pictures, and how much of it is compared."""

from __future__ import annotations

import itertools
import re
import statistics
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.stem[:2].isdigit()]  # the others are appendices
HEAD = ["Question", "You will be able to", "Before this", "Time", "Memory", "Holds for"]
IGNORED = {"nbval-ignore-output", "nbval-skip"}
MEDIAN, LONGEST = 6, 15  # lines of a code cell
WORDS, CELL = 200, 40  # words a minute; seconds for a cell
# belongs into the lab, and not between a reader and her lesson
MACHINERY = re.compile(r"\basyncio\.|\bplt\.|^import re$|\bAsyncExitStack\b", re.MULTILINE)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def is_compared(cell) -> bool:
    return not (IGNORED & set(cell.metadata.get("tags", []))) and "NBVAL_" not in cell.source


def test_a_temporary_folder_is_taken_away(path):
    """A kernel that is killed cleans up nothing: what a chapter makes, it removes where it is done with it."""
    source = "\n".join(cell.source for cell in code_cells(read(path)))
    made = len(re.findall(r"TemporaryDirectory\(|mkdtemp\(", source))
    assert made == len(re.findall(r"with tempfile\.TemporaryDirectory\(|\.cleanup\(\)", source))


def outputs(notebook):
    for cell in code_cells(notebook):
        yield from cell.outputs


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_there_are_notebooks():
    assert [p.stem[:2] for p in CHAPTERS] == sorted({p.stem[:2] for p in CHAPTERS}), "one notebook a number"
    assert CHAPTERS and all(p in CHAPTERS or p.stem.startswith("appendix_") for p in NOTEBOOKS)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_head_is_complete(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.stem[:2]} · ")
    missing = [row for row in HEAD if f"**{row}**" not in first.source]
    assert not missing, f"the head lacks {missing}"


def test_one_title_and_no_level_left_out(path):
    text = re.sub(r"```.*?```", "", prose(read(path)), flags=re.S)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.M)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), levels


def test_links_lead_somewhere(path):
    text = prose(read(path))
    broken = [
        target
        for target in re.findall(r"\]\(([^)#\s]+)", text)
        if not re.match(r"https?://", target) and not (path.parent / target).exists()
    ]
    assert not broken
    here = CHAPTERS.index(path) if path in CHAPTERS else -9
    neighbours = [p for p in CHAPTERS if abs(CHAPTERS.index(p) - here) == 1]
    head = read(path).cells[0].source
    assert all(f"]({p.name})" in head for p in neighbours), "previous and next chapter"


def test_pictures_have_a_text_and_a_size(path):
    notebook = read(path)
    assert not re.findall(r"!\[\s*\]\(", prose(notebook)), "a picture without a text"
    for output in outputs(notebook):
        for mime in ("image/png", "image/svg+xml", "image/jpeg"):
            if mime in output.get("data", {}):
                assert output.metadata.get(mime, {}).get("alt"), "a picture in an output without a text"
                assert len(output.data[mime]) * 3 / 4 < 100_000, "a picture over 100 KB"


def test_outputs_are_those_of_a_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(read(path))]
    assert counts == list(range(1, len(counts) + 1))


def test_no_output_is_an_error(path):
    wrong = [
        output.evalue
        for cell in code_cells(read(path))
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    assert not wrong


def test_kernel_is_the_plain_one(path):
    assert read(path).metadata.kernelspec.name == "python3"


def test_no_trace_of_a_machine(path):
    found = re.findall(r"/(?:root|work|home/\w+|Users/\w+|tmp/\w+)/[^\s\"'\\]*", path.read_text())
    assert not found


def test_nothing_waits_by_the_clock(path):
    assert not [cell.source for cell in code_cells(read(path)) if "time.sleep" in cell.source]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_cell_is_short_and_holds_no_machinery(path):
    sources = [cell.source for cell in code_cells(read(path))]
    lines = [sum(bool(line.strip()) for line in source.splitlines()) for source in sources]
    found = [word for source in sources for word in MACHINERY.findall(source)]
    assert statistics.median(lines) <= MEDIAN and max(lines) <= LONGEST and not found


def own_words() -> list[str]:
    """What the glossary calls the course's own words."""
    glossary = prose(read(ROOT / "notebooks" / "appendix_glossary.ipynb"))
    table = glossary.partition("## This course's own words")[2].partition("\n## ")[0]
    return re.findall(r"^\| \*\*([\w-]+)\*\* \| [^|]+ \| [^|]+ \|$", table, flags=re.M)


def test_the_courses_own_words_stand_in_the_glossary_with_those_of_others():
    assert {"wire", "deaf", "linger", "feet", "holder", "hardened"} <= set(own_words())


@pytest.mark.parametrize("word", own_words())
def test_a_word_of_the_courses_own_is_introduced_where_it_comes_first(word):
    """By emphasis; headings, heads and code do not count."""
    for path in CHAPTERS:
        cells = [cell.source for cell in read(path).cells[1:] if cell.cell_type == "markdown"]
        text = re.sub(r"```.*?```|`[^`]*`", "", "\n\n".join(cells), flags=re.S)
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        if found := re.search(rf"(\**)\b{word}", text, flags=re.I):
            assert found[1], f"{path.stem}: {text[max(0, found.start() - 60) : found.end() + 20]!r}"
            return
    pytest.fail(f"no chapter has {word!r}")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_keeps_its_time(path):
    """Of a reader who reads at a usual pace, and looks at each cell for a while."""
    notebook = read(path)
    words = len(re.findall(r"\w[\w'’.-]*", re.sub(r"\]\([^)]*\)", "]", prose(notebook))))
    minutes = words / WORDS + len(code_cells(notebook)) * CELL / 60
    said = int(re.search(r"\*\*Time\*\* \| (\d+) minutes", notebook.cells[0].source)[1])
    assert minutes <= said + 0.5, f"{minutes:.1f} minutes"


def test_the_cured_app_is_the_deaf_one_and_the_lines_that_cure_it():
    deaf, cured = (ROOT / "notebooks" / "apps" / f"update_{how}.py" for how in ("by_replacing", "cured"))
    with_lines = cured.read_text().replace("from bokeh.events import DocumentReady\n", "").splitlines()
    same = deaf.read_text().splitlines()[1:]
    assert with_lines[1 : len(same) + 1] == same and len([line for line in with_lines[len(same) + 1 :] if line]) == 2


def test_share_of_compared_cells(capsys):
    cells = [cell for p in NOTEBOOKS for cell in code_cells(read(p))]
    compared = [cell for cell in cells if is_compared(cell) and cell.outputs]
    silent = [cell for cell in cells if is_compared(cell) and not cell.outputs]
    share = (len(compared) + len(silent)) / len(cells)
    with capsys.disabled():
        print(f"\ncompared code cells: {len(compared) + len(silent)} of {len(cells)} ({share:.0%}),", end=" ")
        print(f"{len(silent)} of them silent", end=" ")
    assert share >= 0.85
