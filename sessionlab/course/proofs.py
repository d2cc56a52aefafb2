"""Does the proof of a claim exist, and does it say what the claim says?

Nothing is run here: tests are looked up in their files, and cells by the output that is stored with them. Both are
run and compared by ``make test``.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path

import nbformat

from sessionlab.course.catalogue import NOTEBOOKS, ROOT
from sessionlab.course.claims import VERDICTS, Claim, Claims
from sessionlab.course.numbers import UNITS, Figure, figures, prose
from sessionlab.doctor import PINNED
from sessionlab.syntax import parse

IGNORED = {"nbval-ignore-output", "nbval-skip"}
SCALES = (1, 1000, 0.001, 60, 3600, 1e6, 1e-6, 100, 1024**2)  # milliseconds for seconds, bytes for MB, shares for %
LITERAL = re.compile(r"\d+(?:[_ ]\d{3})*(?:\.\d+)?")


def problems(claim: Claim) -> list[str]:
    """What is wrong with a claim, in plain words; an empty list if nothing is."""
    found = []
    if claim.verdict not in VERDICTS:
        found.append(f"{claim.verdict!r} is no verdict")
    if claim.verdict != "unproven" and not claim.proof:
        found.append("it has no proof")
    if any(claim.versions.get(package) != version for package, version in PINNED.items()):
        found.append(f"it holds for {claim.versions}, and the course for {PINNED}")
    if claim.verdict == "documented":  # by others, of their products: nothing of it is run here
        return found + [f"{proof} is no page" for proof in claim.proof if not proof.startswith("https://")]
    evidence = []
    for proof in claim.proof:
        try:
            evidence.append(evidence_of(proof))
        except LookupError as missing:
            found.append(str(missing.args[0]))
    outputs = "\n".join(output for _, output in evidence)
    found += [f"no compared cell of its proof prints {text!r}" for text in claim.prints if text not in outputs]
    if any("#" in proof for proof in claim.proof) and not claim.prints:
        found.append("it names a section of a notebook and not what a cell prints there")
    known = {literal(text) for part in evidence for text in LITERAL.findall(" ".join(part))}
    for number in claim.numbers:
        found += [f"its proof knows nothing of {figure}" for figure in unknown(number, known)]
    return found


def evidence_of(proof: str) -> tuple[str, str]:
    """The source of a proof and its compared output. Raises LookupError, with a sentence, if there is none."""
    if "::" in proof:
        return source_of_test(*proof.split("::", 1)), ""
    if "#" in proof:
        return section(*proof.split("#", 1))
    path = ROOT / proof
    if path.parent != ROOT / "data" / "recordings" or not path.is_file():
        raise LookupError(f"there is no recording {proof}")
    recording = json.loads(path.read_text(encoding="utf-8"))
    if any(recording["versions"].get(package) != version for package, version in PINNED.items()):
        raise LookupError(f"{proof} was recorded with other versions")
    return json.dumps(recording), recording.get("text", "")


@functools.cache
def _functions(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def source_of_test(file: str, name: str) -> str:
    """The source of a test. A parameter in brackets is not looked at."""
    path = ROOT / file
    functions = _functions(path) if path.is_file() else {}
    if (name := name.partition("[")[0]) not in functions:
        raise LookupError(f"there is no test {name} in {file}")
    return functions[name]


@functools.cache
def _notebook(path: Path):
    return nbformat.read(path, as_version=4)


def sections(path: Path) -> dict[str, list]:
    """The cells of a notebook by the heading that they stand under; prose and code both."""
    found: dict[str, list] = {}
    heading = ""
    for cell in _notebook(path).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"(?ms)^```.*?^```", "", cell.source)  # a comment in code is no heading
            for part in re.split(r"(?m)^(?=#{1,6} )", text):
                if title := re.match(r"#{1,6} (.*)", part):
                    heading = title[1].strip()
                found.setdefault(heading, []).append(nbformat.v4.new_markdown_cell(part))
        else:
            found.setdefault(heading, []).append(cell)
    return found


def section(file: str, heading: str) -> tuple[str, str]:
    """Code and compared output under a heading, and the source of the applications that the code names."""
    path = ROOT / file
    cells = sections(path).get(heading) if path.is_file() else None
    if cells is None:
        raise LookupError(f"{file} has no heading {heading!r}")
    code = [cell for cell in cells if cell.cell_type == "code"]
    compared = [c for c in code if not IGNORED & set(c.metadata.get("tags", [])) and "NBVAL_" not in c.source]
    source = "\n".join(cell.source for cell in code)
    for app in re.findall(r"apps/\w+\.py", "\n".join(cell.source for cell in cells)):
        if (NOTEBOOKS / app).is_file():
            source += (NOTEBOOKS / app).read_text(encoding="utf-8")
    outputs = [_text(output) for cell in compared for output in cell.outputs]
    return source, "\n".join(outputs)


def _text(output) -> str:
    if output.output_type == "stream":
        return output.text
    return output.get("evalue", "") or output.get("data", {}).get("text/plain", "")


def literal(text: str) -> float:
    return float(re.sub(r"[_ ]", "", text))


def unknown(number: str, known: set[float]) -> list[Figure]:
    """The figures of ``number`` that do not occur in ``known``, in whatever unit, and do not follow from what does."""
    said, _, formula = number.partition("=")
    wanted = figures(said)
    if formula:
        if not re.fullmatch(r"[\d.+*/() -]+", formula):
            raise ValueError(f"{formula!r} is no formula")
        if not all(_occurs(term, known) for term in LITERAL.findall(formula)):
            return wanted
        known = {float(eval(formula))}  # digits and operators only, as was checked
    counted = [figure for figure in wanted if figure.unit in UNITS]  # the others are versions
    return [figure for figure in counted if not _occurs(figure.number, known)]


def _occurs(number: str, known: set[float]) -> bool:
    """Whether a number is known, rounded as it is written, in whatever unit."""
    value, places = literal(number), len(number.partition(".")[2])
    return any(round(one * scale, places) == value for one in known for scale in SCALES)


def uncarried(path: Path, claims: Claims) -> list[tuple[str, Figure]]:
    """The figures in the prose of a chapter that no claim carries: pairs of heading and figure.

    What a chapter sets for an experiment of its own stands in the claims' ``[settings]``, under its file name.
    """
    carried = {figure for claim in claims for figure in claim.figures}
    carried |= set(set_by(path, claims))
    stated = [
        (heading, figure)
        for heading, cells in sections(path).items()
        for cell in cells
        if cell.cell_type == "markdown"
        for figure in figures(prose(cell.source))
    ]
    pinned = {(version, package.capitalize()) for package, version in PINNED.items()}
    return [(heading, figure) for heading, figure in stated if figure not in carried and tuple(figure) not in pinned]


def set_by(path: Path, claims: Claims) -> list[Figure]:
    return figures("; ".join(claims.settings.get(path.stem, ())))
