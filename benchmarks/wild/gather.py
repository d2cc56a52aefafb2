"""Public apps: their source distributions are fetched, and everything in them that is an app becomes a file.

Nothing of theirs enters this repository: all of it lies in the folder that is given.
"""

from __future__ import annotations

import ast
import json
import re
import tarfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BLOCK = re.compile(r"^(?P<fence>`{3,})\s*(?:\{pyodide\}|python|py)[^\n]*\n(?P<code>.*?)^(?P=fence)\s*$", re.S | re.M)
SHOWN = re.compile(r"\.servable\(|\.serve\(|\.show\(")
IMPORT = re.compile(r"^(?:import|from) ", re.M)
# How a page of documentation shows what a cell ends with.
SHOW = """

def _show_what_the_cell_ends_with(found):
    import panel
    if found is not None and not isinstance(found, (str, int, float, bool)):
        panel.panel(found).servable()
"""


@dataclass(frozen=True)
class App:
    """``name`` as in the table; ``source`` with its version; ``path`` of what is served."""

    name: str
    source: str
    path: Path


def sources() -> list[dict]:
    return tomllib.loads((HERE / "wild.toml").read_text())["source"]


def gather(folder: Path) -> list[App]:
    """Fetch what is not there yet, and list all apps in a stable order."""
    return [app for source in sources() for app in _apps(source, _fetched(source, folder), folder / "made")]


def _fetched(source: dict, folder: Path) -> Path:
    """The unpacked source distribution."""
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / f"{source['name']}-{source['version']}"
    if unpacked.exists():
        return unpacked
    from pypi_simple import PyPISimple  # of the environment of `wild`

    with PyPISimple() as index:
        packages = index.get_project_page(source["name"]).packages
        found = next(p for p in packages if (p.package_type, p.version) == ("sdist", source["version"]))
        archive = folder / found.filename
        index.download_package(found, archive)  # checks its digest
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacking", filter="data")
    next((folder / "unpacking").iterdir()).rename(unpacked)
    archive.unlink()
    return unpacked


def _apps(source: dict, root: Path, made: Path) -> Iterator[App]:
    label = f"{source['name']} {source['version']}"

    def files(kind: str) -> list[Path]:
        return sorted({path for pattern in source.get(kind, ()) for path in root.glob(pattern)})

    def app(path: Path, text: str | None = None, number: int = 0) -> App:
        name = f"{source['name']}/{path.relative_to(root)}" + (f"#{number}" if number else "")
        if text is None:
            return App(name, label, path)
        target = made / (re.sub(r"\W+", "_", name) + ".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return App(name, label, target)

    for path in [*files("python"), *files("notebook")]:
        if SHOWN.search(text := path.read_text()) or "curdoc()" in text:
            yield app(path)
    for path in files("shown"):
        if text := _shown(path):
            yield app(path, text)
    for path in files("blocks"):
        for number, block in enumerate(BLOCK.finditer(path.read_text()), 1):
            if SHOWN.search(block["code"]) and IMPORT.search(block["code"]):
                yield app(path, block["code"], number)


def _shown(notebook: Path) -> str:
    """A notebook as a script that serves what each cell ends with; nothing if it is no Python."""
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    try:
        return SHOW + "\n".join(_serving("".join(cell["source"])) for cell in cells)
    except SyntaxError:
        return ""


def _serving(cell: str) -> str:
    """A cell whose last expression is put on the page."""
    if cell.startswith("%%"):
        return ""
    body = ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in cell.splitlines()))
    last = body.body[-1] if body.body else None
    if isinstance(last, ast.Expr) and not cell.rstrip().endswith(";") and not SHOWN.search(ast.unparse(last)):
        last.value = ast.Call(ast.Name("_show_what_the_cell_ends_with", ast.Load()), [last.value], [])
    return ast.unparse(ast.fix_missing_locations(body))
