"""Who cannot see colours, or cannot see, reads the same: contrast, second signs beside colours, texts, headings."""

from __future__ import annotations

import ast
import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest
from machine import browser_or_skip

from sessionlab import report
from sessionlab.client.browser import Browser
from sessionlab.course import pages
from sessionlab.course.catalogue import NOTEBOOKS, ROOT
from sessionlab.course.show import Shown
from sessionlab.probe import timeline
from sessionlab.syntax import parse

PACKAGE = ROOT / "sessionlab"
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
TEXTS = [path for path in ROOT.rglob("*.md") if not {".venv", ".sessionlab", "node_modules"} & set(path.parts)]
TEXT, GRAPHIC = 4.5, 3.0  # the least contrast of WCAG 2.2, level AA: texts, and what a picture is read by


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits[:6]
    parts = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str = "#ffffff") -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676") == pytest.approx(4.54, abs=0.01) and contrast("#777777") < TEXT


# -- pages --------------------------------------------------------------------------------------------------------

# what is written in the first colour stands on the second one
PAIRS = "ink/page ink/card ink/button ink/wait-soft dim/page dim/card accent/page accent/card on-accent/accent"
PAIRS += " warn/card warn/button warn/bad-soft good/good-soft"


@pytest.mark.parametrize("theme", [":root", ':root[data-theme="dark"]'])
def test_every_text_of_the_monitor_can_be_read(theme):
    css = (PACKAGE / "monitor/page.css").read_text()
    block = css[css.index(theme + " {") :]
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", block[: block.index("}")]))
    weak = {
        pair: round(found, 2)
        for pair in PAIRS.split()
        if (found := contrast(*(colours[name] for name in pair.split("/")))) < TEXT
    }
    assert not weak


def test_every_text_of_the_pages_can_be_read():
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", (PACKAGE / "course/pages.css").read_text()))
    assert min(contrast(colours[name], colours["page"]) for name in ("ink", "dim", "accent")) >= TEXT


HEADINGS = "[...document.querySelectorAll('h1,h2,h3,h4')].map(heading => +heading.tagName[1])"


@pytest.mark.server
async def test_the_pages_in_a_browser(tmp_path):
    """Headings in order, table heads, a language; readable on a telephone; the cheat sheet on one sheet of paper."""
    browser_or_skip()
    async with Browser() as browser:
        for path in pages.write(tmp_path):
            async with await browser.open(path.as_uri(), width=360, height=740) as tab:
                levels = await tab.page.evaluate(
                    "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
                )
                assert levels[0] == 1 and levels.count(1) == 1
                assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
                assert await tab.page.evaluate("document.documentElement.lang") == "en"
                assert await tab.page.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
                assert await tab.page.evaluate("document.documentElement.scrollWidth") <= 360
            printed = (await pages.print_out(browser, path)).read_bytes()
            assert len(printed) < 200_000
            if path.stem == "cheatsheet":
                assert len(re.findall(rb"/Type /Page\b", printed)) == 1


def test_verdicts_and_notices_can_be_read():
    assert all(contrast(colour) >= TEXT for colour in report.HEX.values())
    notices = re.findall(r"#[0-9a-f]{6}", (PACKAGE / "harden/reconnect.js").read_text())
    assert notices and all(contrast(colour) >= TEXT for colour in notices), "white text stands on them"
    ink, ground = re.findall(r"#[0-9a-f]{6}", (PACKAGE / "harden/draining.py").read_text())
    assert contrast(ink, ground) >= TEXT


def test_the_monitor_has_a_title_headings_in_order_and_names_for_its_parts():
    page = (PACKAGE / "monitor/page.html").read_text()
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all("aria-label" in tag for tag in re.findall(r"<button[^>]*>", page))
    assert 'role="alert"' in page and 'role="status"' in page
    assert page.count("<fieldset") == page.count("<legend>")


# -- pictures -----------------------------------------------------------------------------------------------------


def test_no_state_of_a_timeline_is_told_by_its_colour_alone():
    hatches = [hatch for _, hatch, _ in timeline.STATES.values()]
    markers = [marker for marker, _, _ in timeline.MARKS.values()]
    assert len(set(hatches)) == len(hatches) and len(set(markers)) == len(markers)
    greys = sorted(luminance(colour) for colour, hatch, _ in timeline.STATES.values() if not hatch)
    assert len(greys) <= 1, "one may be plain"


AREAS = {"barh", "bar", "axvspan", "axhspan", "fill_between", "hist", "Rectangle"}
COLOURS = {"color", "c", "mec", "mfc", "edgecolor", "facecolor"}
SIGNS = {"hatch", "ls", "linestyle", "marker", "height", "width", "mfc"}


def calls(path: Path):
    """Calls of a chapter that draw with a colour of their own: (cell, call, colours, what else tells them apart)."""
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type != "code" or "picture(" not in cell.source or cell.source.startswith("%"):
            continue
        for node in ast.walk(parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
                found = [v for name, v in given.items() if name in COLOURS and re.match(r"#\w{6}$", str(v))]
                signs = {name: value for name, value in given.items() if name in SIGNS}
                places = [ast.unparse(argument) for argument in node.args]
                if found:
                    yield number, node.func.attr, found, (node.func.attr, str(signs), str(places))


def too_pale(path: Path) -> list[str]:
    lines = [colour for _, call, found, _ in calls(path) if call not in AREAS for colour in found]
    return [colour for colour in lines if contrast(colour) < GRAPHIC]


def told_by_colour_alone(path: Path) -> list[int]:
    """The cells in which two things differ in nothing but their colour."""
    found = []
    for number, drawn in itertools.groupby(calls(path), key=lambda call: call[0]):
        drawn = list(drawn)
        colours = {colour for _, _, found, _ in drawn for colour in found}
        if len({signs for *_, signs in drawn}) < len(colours):
            found.append(number)
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_lines_and_signs_of_pictures_stand_out(path):
    weak = [
        (cell, c) for cell, call, found, _ in calls(path) for c in found if call not in AREAS and contrast(c) < GRAPHIC
    ]
    assert not weak, "on white; areas may be paler"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_picture_tells_by_colour_alone(path):
    assert not told_by_colour_alone(path)


def test_the_checks_of_pictures_see_what_they_look_for(tmp_path):
    source = """
axes.plot(x, y, color="#b42318")
axes.plot(x, y, color="#0b5c8a")
axes.plot(x, z, color="#f2a900", ls=":")
picture(figure, "two lines")
"""
    path = tmp_path / "picture.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), path)
    assert told_by_colour_alone(path) == [0] and too_pale(path) == ["#f2a900"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pictures_of_texts_say_what_they_show(path):
    alts = re.findall(r"!\[([^\]]*)\]\((?!https://(?:mybinder|img\.shields))", path.read_text(encoding="utf-8"))
    assert all(len(alt) >= 30 for alt in alts)


def test_drawings_have_a_title():
    drawings = [path for path in NOTEBOOKS.rglob("*.svg")]
    assert drawings and all("<title" in path.read_text() for path in drawings)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_stored_html_has_texts_and_titles(path):
    pages = re.findall(r"<(?:img|iframe)\b[^>]*>", json.dumps(nbformat.read(path, as_version=4)))
    assert all(re.search(r"\b(alt|title)=", tag) for tag in pages)


def test_an_embedded_app_has_a_title():
    assert '<iframe src="/x" title="A &amp; B"' in Shown("A & B", "/x", 300, framed=True)._repr_html_()


# -- texts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_level_of_headings_is_left_out(path):
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text(encoding="utf-8"))
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.M)]
    assert levels[:1] == [1] and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("path", [*TEXTS, *CHAPTERS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_say_where_they_lead(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"\[(?:here|this|link|click here|more)\]\(", text, flags=re.I)
