"""Is this machine ready for the course: what is there, what is missing, and what works all the same."""

from __future__ import annotations

import html
import importlib.metadata
import sys
from dataclasses import asdict, dataclass

import psutil

from sessionlab.errors import NoBrowser
from sessionlab.loopback import free_port

PINNED = {"panel": "1.9.4", "bokeh": "3.9.2"}  # the versions that the numbers of the course hold for
OLDEST = (3, 11)  # of Python
NEEDED_MB = 1000  # what three kernels and two servers take, and what Binder guarantees
MARKS = {"ok": "✔", "note": "•", "missing": "✘"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: ``status`` is ok, note or missing; ``advice`` is empty when all is well."""

    what: str
    status: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings. ``ready`` is true when every chapter can be run, if need be without a browser."""

    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        return all(f.status != "missing" for f in self.findings)

    @property
    def verdict(self) -> str:
        notes = sum(f.status == "note" for f in self.findings)
        if not self.ready:
            return "not ready: see what is missing"
        return "ready" if not notes else f"ready, with {notes} thing{'s' * (notes > 1)} to know"

    def to_dict(self) -> dict:
        return {"ready": self.ready, "verdict": self.verdict, "findings": [asdict(f) for f in self.findings]}

    def __str__(self) -> str:
        width = max(len(f.what) for f in self.findings)
        lines = []
        for f in self.findings:
            lines.append(f"{MARKS[f.status]} {f.what:{width}}  {f.found}")
            if f.advice:
                lines.append(f"  {'':{width}}  {f.advice}")
        return "\n".join([*lines, "", f"This machine is {self.verdict}."])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{MARKS[f.status]} {f.status}</td>"
            f"<th scope='row' style='text-align:left'>{html.escape(f.what)}</th>"
            f"<td style='text-align:left'>{html.escape(f.found)}<br><i>{html.escape(f.advice)}</i></td></tr>"
            for f in self.findings
        )
        return f"<table>{rows}</table><p>This machine is <b>{self.verdict}</b>.</p>"


def doctor() -> Diagnosis:
    """Look at Python, the versions, the browser, the ports and the memory of this machine. Starts nothing."""
    return Diagnosis((_python(), *map(_version, PINNED), _browser(), _ports(), _memory(), _notebook()))


def _python() -> Finding:
    if (sys.version_info.major, sys.version_info.minor) >= OLDEST:
        return Finding("Python", "ok", "3.11 or newer")
    return Finding("Python", "missing", sys.version.split()[0], "the course needs 3.11 or newer")


def _version(package: str) -> Finding:
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return Finding(package, "missing", "not installed", f"pip install {package}=={PINNED[package]}")
    if found == PINNED[package]:
        return Finding(package, "ok", f"{found}, as in the course")
    advice = f"the numbers of the course were measured with {PINNED[package]}; some may differ"
    return Finding(package, "note", found, advice)


def _browser() -> Finding:
    from sessionlab.client.browser import find_chromium

    try:
        find_chromium()
    except NoBrowser as error:
        return Finding(
            "Chromium",
            "note",
            str(error.what),
            "everything but the cells that drive a browser works; those show a recorded run. " + error.advice,
        )
    return Finding("Chromium", "ok", "found")


def _ports() -> Finding:
    try:
        free_port()
    except OSError as error:
        return Finding("loopback ports", "missing", str(error), "servers cannot listen on 127.0.0.1 here")
    return Finding("loopback ports", "ok", "can be opened")


def _memory() -> Finding:
    free = psutil.virtual_memory().available // 2**20
    if free >= NEEDED_MB:
        return Finding("memory", "ok", f"at least {NEEDED_MB} MB free")
    advice = f"the course wants {NEEDED_MB} MB; close other programs, or shut down kernels between chapters"
    return Finding("memory", "note", f"{free} MB free", advice)


def _notebook() -> Finding:
    try:
        importlib.metadata.version("jupyter-server-proxy")
    except importlib.metadata.PackageNotFoundError:
        return Finding("jupyter-server-proxy", "note", "not installed", "apps open by their link, not beside the text")
    return Finding("jupyter-server-proxy", "ok", "installed")
