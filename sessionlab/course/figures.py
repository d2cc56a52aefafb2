"""The pictures of the chapters, each from what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sessionlab.checks.result import AuditResult
from sessionlab.course.picture import BLUE, GREEN, RED, YELLOW, Picture, picture
from sessionlab.course.recorded import FOLDER
from sessionlab.lifetimes import ATTEMPTS, CHECK, LIFETIME

TOKEN = 300.0  # seconds from the load of a page in which its token is accepted, by default
GUIDE = (1, 3, 7, 15, 31, 63)  # seconds after the cut, by Panel's guide: waits of 1, 2, 4, 8, 16 and 32


class Backoff:
    """The attempts of a page whose wire stays cut, recorded in real time: seconds after the cut."""

    def __init__(self, file: Path = FOLDER / "backoff.json"):
        recording = json.loads(file.read_text())
        self.versions = recording["versions"]
        self.attempts = [round(at, 1) for at in recording["attempts"]]
        self.notice = recording["last_toast"]

    def __str__(self) -> str:
        return f"attempts after {self.attempts} s; the last notice: {self.notice!r}"

    def picture(self) -> Picture:
        """What was measured below what the guide says."""
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 1.8))
        axes.plot(GUIDE, [1] * len(GUIDE), "o", ms=9, mfc="none", mec=RED, mew=2)
        axes.plot(self.attempts, [0] * len(self.attempts), "v", ms=9, color=BLUE)
        axes.set(yticks=[0, 1], yticklabels=["measured", "the guide"], ylim=(-0.6, 1.6), xlim=(-2, 66))
        axes.set_xlabel("seconds after the cut")
        guide, measured = (", ".join(f"{at:g}" for at in times) for times in (GUIDE, self.attempts))
        return picture(figure, f"Attempts to reconnect. The guide: after {guide} s. Measured: after {measured} s.")


def audited(results: Mapping[str, AuditResult]) -> Picture:
    """Audits of the same checks side by side: a row for each application, by its name, and a column for each check."""
    import matplotlib.pyplot as plt

    looks = {"fail": (RED, "✘"), "warn": (YELLOW, "!"), "pass": ("#d7ecdc", ""), "skipped": ("#e6e6e6", "–")}
    ids = [check.id for check in next(iter(results.values())).checks]
    figure, axes = plt.subplots(figsize=(7.2, 2.4))
    for row, result in enumerate(results.values()):
        for column, check in enumerate(result.checks):
            colour, mark = looks[check.status]
            ink = "white" if check.status == "fail" else "black"
            axes.add_patch(plt.Rectangle((column + 0.04, row + 0.04), 0.92, 0.92, color=colour))
            axes.text(column + 0.5, row + 0.5, mark, ha="center", va="center", color=ink, fontfamily="DejaVu Sans")
    axes.set(xlim=(0, len(ids)), ylim=(len(results), 0))
    axes.set_yticks([row + 0.5 for row in range(len(results))], list(results))
    axes.set_xticks([column + 0.5 for column in range(len(ids))], ids, rotation=40, ha="right", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    fails = (f"{name} fails at {', '.join(c.id for c in result.of('fail'))}." for name, result in results.items())
    return picture(figure, f"A row for each app, and a column for each check. {' '.join(fails)}")


def chain(steps: Sequence[str]) -> Picture:
    """A chain of references as boxes, from the holder at the top to what it keeps."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.5, 0.75 * len(steps)))
    for row, step in enumerate(steps):
        box = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": BLUE if row else RED}
        axes.text(0, -row, step, va="center", family="monospace", fontsize=9, bbox=box)
        if row:
            arrow = {"arrowstyle": "->", "color": "#57606a"}
            axes.annotate("", (0.02, -row + 0.28), (0.02, -row + 0.72), arrowprops=arrow)
    axes.set(xlim=(-0.05, 1), ylim=(-len(steps) + 0.4, 0.6))
    axes.axis("off")
    return picture(figure, f"A chain of boxes from the holder down to what it keeps: {', then '.join(steps)}.")


def three_clocks() -> Picture:
    """What starts when a wire breaks, by default: the browser's attempts, the session's end, the token's."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 2.4))
    axes.barh(1, LIFETIME, color=GREEN, label="session is there for certain")
    axes.barh(1, CHECK, left=LIFETIME, color=YELLOW, hatch="//", edgecolor="white", label="session is there, perhaps")
    axes.barh(0, TOKEN, color=BLUE, label="token is accepted (counted from the page load)")
    axes.plot(ATTEMPTS, [2] * len(ATTEMPTS), "v", color="black", ms=9, label="the browser tries")
    axes.set(yticks=[0, 1, 2], yticklabels=["token", "session", "browser"], xlim=(-1, 60), ylim=(-0.6, 2.6))
    axes.set(xlabel="seconds after the wire broke")
    axes.legend(ncols=2, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    tries = ", ".join(f"{at:g}" for at in ATTEMPTS)
    return picture(
        figure,
        f"Three rows over sixty seconds. The browser tries at {tries} seconds. The session is there for certain until "
        f"{LIFETIME:g} seconds and perhaps until {LIFETIME + CHECK:g}. The token bar runs through: it counts from the "
        "page load, not from the cut.",
    )
