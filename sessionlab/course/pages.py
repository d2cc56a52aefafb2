"""The appendices that are prose as pages to print and to send around.

    python -m sessionlab.course.pages [FOLDER]     HTML, and PDF where there is a Chromium; by default to build/pages

Their text stands in ``notebooks/appendix_cheatsheet.ipynb``, ``…_glossary.ipynb`` and ``…_what_to_do.ipynb``.
"""

from __future__ import annotations

import asyncio
import html
import re
import sys
from pathlib import Path

import nbformat

from sessionlab import address
from sessionlab.client.browser import Browser
from sessionlab.course.catalogue import NOTEBOOKS, ROOT
from sessionlab.errors import NoBrowser

PAGES = ("cheatsheet", "glossary", "what_to_do")
HOME = address.page("notebooks/")


def page(name: str) -> str:
    """The prose of ``notebooks/appendix_NAME.ipynb`` as one HTML page that needs no other file."""
    from markdown_it import MarkdownIt

    notebook = nbformat.read(NOTEBOOKS / f"appendix_{name}.ipynb", as_version=4)
    parts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    title = parts[0].partition("\n")[0].removeprefix("# ")
    render = MarkdownIt("commonmark").enable("table").render
    body = "\n".join(f"<section>{render(part)}</section>" for part in parts)
    body = re.sub(r'href="(?!https?:)([^"]+)"', rf'href="{HOME}\1"', body).replace("<th>", '<th scope="col">')
    style = Path(__file__).with_name("pages.css").read_text(encoding="utf-8")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{html.escape(title)}</title><style>{style}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def write(folder: Path) -> list[Path]:
    """Write every page into ``folder`` as HTML. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.html" for name in PAGES]
    for path in files:
        path.write_text(page(path.stem), encoding="utf-8")
    return files


async def print_out(browser: Browser, source: Path) -> Path:
    """Print an HTML file as PDF beside it."""
    async with await browser.open(source.as_uri()) as tab:
        await tab.page.pdf(path=source.with_suffix(".pdf"), prefer_css_page_size=True)
    return source.with_suffix(".pdf")


async def print_all(files: list[Path]) -> list[Path]:
    """Print every file. Raises NoBrowser."""
    async with Browser() as browser:
        return [await print_out(browser, path) for path in files]


def main() -> None:
    files = write(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "pages")
    try:
        files += asyncio.run(print_all(files))
    except NoBrowser as missing:
        print(missing.what, "The pages are HTML only.")
    print(*files, sep="\n")


if __name__ == "__main__":
    main()
