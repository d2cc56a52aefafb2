"""The course as a static site: `make book` builds it into build/book, from the README and the stored notebooks.

Nothing is executed, and a page of it asks no other server for anything.
"""

import json
import posixpath
import re
import tomllib
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

project = "The life of a Panel session"
copyright = "the authors of the course, prose and pictures: CC BY 4.0"
extensions = ["myst_nb"]
root_doc = "README"
include_patterns = ["README.md", "notebooks/*.ipynb"]
suppress_warnings = ["myst.header"]  # the README's own order of headings

nb_execution_mode = "off"  # what the notebooks have stored is shown
nb_ipywidgets_js: dict = {}  # would be asked of a content delivery network
myst_heading_anchors = 3

URLS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
REPOSITORY = URLS["Source"]
html_theme = "sphinx_book_theme"
html_title = project
html_additional_pages = {"index": "redirect.html"}
templates_path = ["templates"]
html_theme_options = {
    "repository_url": REPOSITORY,
    "repository_branch": "HEAD",
    "use_repository_button": True,
    "use_source_button": True,
    "launch_buttons": {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"},
    "show_toc_level": 2,
    "navbar_persistent": [],  # the search has its place beside the chapters
}

LIVE = "<p>Here stands a live app, when the chapter runs: in JupyterLab, or in Binder by the button above.</p>"
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
BADGE = re.compile(r"^\[!\[.*\n", re.MULTILINE)  # a picture that another server has


def for_the_book(app: Sphinx, name: str, source: list[str]) -> None:
    """What only a running chapter can show is said; links lead to pages of the book, or to the repository's files."""
    if not name.startswith("notebooks/"):
        chapters = sorted(doc for doc in app.env.found_docs if doc.startswith("notebooks/"))
        toctree = "\n".join(["", "```{toctree}", ":hidden:", *(f"/{each}" for each in chapters), "```", ""])
        source[0] = _linked(BADGE.sub("", source[0]), "") + toctree
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _linked("".join(cell["source"]), "notebooks")
        for output in cell.get("outputs", []):
            if any("http://127.0.0.1:" in line for line in output.get("data", {}).get("text/html", [])):
                output["data"] = {"text/html": LIVE}
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}  # where the builder looks for it
    source[0] = json.dumps(notebook)


def _linked(text: str, folder: str) -> str:
    def link(found: re.Match) -> str:
        target, place = found[1], found[2] or ""
        if target.endswith((".ipynb", ".png", ".svg")):
            return found[0]  # a page of the book, or a picture in one
        return f"]({REPOSITORY}/blob/HEAD/{posixpath.normpath(posixpath.join(folder, target))}{place})"

    return LINK.sub(link, text)


def without_the_web(app: Sphinx, name: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Formulas have no place in the course, and their script would be asked of a content delivery network."""
    context["script_files"] = [file for file in context.get("script_files", []) if "mathjax" not in str(file)]


def setup(app: Sphinx) -> None:
    app.connect("source-read", for_the_book)
    app.connect("html-page-context", without_the_web)
