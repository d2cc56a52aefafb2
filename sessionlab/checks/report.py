"""How an audit shows itself: text for a terminal, a table in a notebook, and a page for the team."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

from sessionlab import address, pages
from sessionlab.report import HEX

if TYPE_CHECKING:
    from sessionlab.checks.result import AuditResult, Check

MARKS = {"fail": "✘", "warn": "!", "pass": "✔", "skipped": "–"}
STYLES = {"fail": "red", "warn": "yellow", "pass": "green", "skipped": "dim"}
SECTIONS = {"fail": "To repair", "warn": "To know", "pass": "In order", "skipped": "Not measured"}


def headline(result: AuditResult) -> str:
    """The result in one sentence."""
    fails, warns = len(result.of("fail")), len(result.of("warn"))
    if fails:
        return f"{fails} of {len(result.checks)} checks failed" + (f", {warns} more to know about." if warns else ".")
    skipped = len(result.of("skipped"))
    return f"No check failed, of {len(result.checks) - skipped} that could be done" + (
        f"; {warns} to know about." if warns else "."
    )


def chapter_of(check: Check) -> str:
    """``02 reconnect``, from the file's name."""
    return Path(check.chapter).stem.replace("_", " ")


# -- text -----------------------------------------------------------------------------------------------------------


def renderable(result: AuditResult):
    """The result for a rich console: what passed in one line each, the rest with reason and advice."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in result.checks:
        style = STYLES[check.status]
        said = [Text(check.measured, style="dim" if check.status in ("pass", "skipped") else "")]
        if check.status in ("fail", "warn"):
            said.append(Text(f"{check.why} See {check.chapter}", style="dim"))
            if check.advice:
                said.append(Text(f"What to do: {check.advice}", style="bold"))
        table.add_row(Text(f"{MARKS[check.status]} {check.status}", style=style), Text(check.id), Group(*said))
    end = Text(f"{result.app}: {headline(result)}", style="bold " + ("green" if result.green else "red"))
    return Group(table, Text(""), *(Text(f"note: {note}", style="dim") for note in result.notes), end)


def text(result: AuditResult, width: int = 120) -> str:
    """The result as plain text."""
    from rich.console import Console

    written = io.StringIO()
    console = Console(width=width, file=written, color_system=None, highlight=False)
    console.print(renderable(result))
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip().splitlines())


# -- HTML -----------------------------------------------------------------------------------------------------------


def fragment(result: AuditResult) -> str:
    """The result as a table for a notebook."""
    rows = []
    for check in result.checks:
        colour = {"fail": HEX["red"], "warn": HEX["yellow"], "pass": HEX["green"]}.get(check.status, "inherit")
        advice = f"<br><b>{html.escape(check.advice)}</b>" if check.advice and check.status in ("fail", "warn") else ""
        rows.append(
            f"<tr><td style='text-align:left;white-space:nowrap;color:{colour}'>"
            f"{MARKS[check.status]} {check.status}</td>"
            f"<th scope='row' style='text-align:left;white-space:nowrap'>{html.escape(check.id)}</th>"
            f"<td style='text-align:left'>{html.escape(check.measured)}{advice}</td></tr>"
        )
    return f"<p><b>{html.escape(result.app)}</b>: {html.escape(headline(result))}</p><table>{''.join(rows)}</table>" + (
        "".join(f"<p>note: {html.escape(note)}</p>" for note in result.notes)
    )


def page(result: AuditResult) -> str:
    """The result as one page that needs nothing else: for a team, in light and in dark, on paper too."""
    return pages.render(
        "audit",
        result=result,
        headline=headline(result),
        sections=SECTIONS,
        counts={status: len(result.of(status)) for status in MARKS},
        marks=MARKS,
        course=address.page(""),
        chapter_of=chapter_of,
    )


def write_page(result: AuditResult, file: str | Path) -> None:
    pages.write(page(result), file)
