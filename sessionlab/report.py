"""How a hunt's result shows itself: text for a terminal, HTML with the chain drawn, one picture."""

from __future__ import annotations

import base64
import html
import io

from sessionlab import pages
from sessionlab.sizes import show_size

HEADLINE = {
    "clean": "clean: nothing of a session stays",
    "bounded": "bounded: something grows, up to a bound",
    "leak": "leak: something of every session stays",
    "never-expires": "sessions never expire",
    "undecided": "undecided: it grows, but not so that it could be judged",
}
LIVE = {"steady": "green", "grows": "bold red", "undecided": "yellow"}
COLOUR = {"clean": "green", "bounded": "green", "leak": "red", "never-expires": "red", "undecided": "yellow"}
MARK = {"green": "✔", "red": "✘", "yellow": "!"}
TONE = {"green": "pass", "red": "fail", "yellow": "warn"}  # of the page
HEX = {"green": "#1a7f37", "red": "#cf222e", "yellow": "#9a6700"}
SHOWN = ("bytes", "objects", "documents", "models", "sessions", "threads")


def numbers(result) -> str:
    """What each session left, in one line; counts that did not change are left out."""
    parts = [f"{show_size(result.per_session['bytes'])}"]
    parts += [f"{result.per_session[k]:.3g} {k}" for k in SHOWN[1:] if abs(result.per_session.get(k, 0)) >= 0.05]
    return ", ".join(parts)


def claim(result) -> str:
    """The floor, as a sentence."""
    floor = result.floor
    return f"less than {show_size(floor['bytes'])} or {floor['objects']:.2g} objects a session would not have been seen"


def how(result) -> str:
    """How the application was served, and what was visited of it."""
    return f"served {result.served}; visited {', '.join(result.pages)}"


def renderable(result):
    """The result for a rich console."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    colour = COLOUR[result.verdict]
    lines = [Text(HEADLINE[result.verdict], style=f"bold {colour}")]
    lines.append(Text(f"{result.sessions} sessions in {result.seconds:.1f} s; each left {numbers(result)}"))
    lines.append(Text(claim(result), style="dim"))
    lines.append(Text(how(result), style="dim"))
    for culprit in result.new:
        lines += _drawn(culprit)
    if stays := live(result):
        lines += [Text(""), Text(stays, style=LIVE[result.live.verdict])]
        for culprit in result.growing:
            lines += _drawn(culprit, each="")
    lines += [Text(line, style="dim") for line in known(result)]
    lines += [Text(f"the application {raised}") for raised in result.errors]
    lines += [Text(f"note: {note}", style="dim") for note in result.notes]
    return Panel(Group(*lines), title=result.app, title_align="left", border_style=colour, expand=False)


def _drawn(culprit, each: str = " a session") -> list:
    """A culprit for a rich console: its chain as a tree, and what there is to say of it."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(culprit.holder, style="bold"))
    branch = tree
    for step in culprit.chain[1:]:
        branch = branch.add(Text(step))
    return [Text(""), tree, *(Text(f"  {line}") for line in _about(culprit, each))]


def live(result) -> str:
    """Whether a session that stays open grows, as a sentence; empty where that was not looked at."""
    found = result.live
    if found.verdict == "skipped":
        return ""
    looked = f"{found.events} events and {found.minutes:.0f} minutes"
    if found.verdict != "grows":
        return f"a session that stays open: {found.verdict}, over {looked}"
    rates = ((found.per_event, "event"), (found.per_minute, "minute"))
    grows = [
        f"{show_size(rate['bytes'])} with every {unit}" for rate, unit in rates if rate["bytes"] or rate["objects"]
    ]
    return f"a session that stays open grows: {', '.join(grows)}, over {looked}"


def known(result) -> list[str]:
    """The leaks that the baseline knows, a line each."""
    new = (*result.new, *result.growing)
    culprits = [culprit for culprit in (*result.culprits, *result.live.culprits) if culprit not in new]
    return [f"known: {culprit.holder} {growth(culprit)}" for culprit in culprits]


def growth(culprit, each: str = " a session") -> str:
    """What a culprit adds with each session, in words; or with each event or minute, which is said elsewhere."""
    if culprit.grows_by == culprit.bytes:  # memory, or one value that grows: nothing is counted but bytes
        return f"grows by {show_size(culprit.bytes)}{each}"
    grows = f"grows by {culprit.grows_by:.3g}{each}"
    return f"{grows}, {show_size(culprit.bytes)} of Python objects" if culprit.bytes >= 1 else grows


def elsewhere(culprit) -> bool:
    """Whether it has to be told to others than those to whom it belongs."""
    return culprit.report_to.partition(" ")[0] not in ("", culprit.owner, culprit.owner.replace("_", "-"))


def _about(culprit, each: str = " a session") -> list[str]:
    lines = [growth(culprit, each), f"belongs to: {culprit.owner}"]
    if elsewhere(culprit):
        lines.append(f"report to: {culprit.report_to}")
    if culprit.location:
        lines.append(f"put there at {culprit.location}")
    if culprit.advice:
        lines.append(f"what to do: {culprit.advice}")
    return lines


def text(result, width: int = 100) -> str:
    """The result as plain text."""
    from rich.console import Console

    written = io.StringIO()
    console = Console(width=width, file=written, color_system=None, highlight=False)
    console.print(renderable(result))
    return written.getvalue().rstrip()


def fragment(result) -> str:
    """The result as HTML for a notebook: the numbers, and the chain of each culprit drawn from holder to kept."""
    colour = HEX[COLOUR[result.verdict]]
    parts = [
        f"<div style='font-family:sans-serif;border-left:4px solid {colour};padding:0 0 0 12px;margin:8px 0'>",
        f"<div><b style='color:{colour}'>{html.escape(HEADLINE[result.verdict])}</b>"
        f" &nbsp; <code>{html.escape(result.app)}</code></div>",
        f"<div>{result.sessions} sessions; each left {html.escape(numbers(result))}</div>",
        f"<div style='opacity:.7'>{html.escape(claim(result))}</div>",
        f"<div style='opacity:.7'>{html.escape(how(result))}</div>",
    ]
    for culprit in result.new:
        parts += _boxes(culprit)
    if stays := live(result):
        parts.append(f"<div style='margin-top:10px'>{html.escape(stays)}</div>")
        for culprit in result.growing:
            parts += _boxes(culprit, each="")
    parts += [f"<div style='opacity:.7'>{html.escape(line)}</div>" for line in known(result)]
    parts += [f"<div>the application {html.escape(str(raised))}</div>" for raised in result.errors]
    parts += [f"<div style='opacity:.7'>note: {html.escape(note)}</div>" for note in result.notes]
    return "\n".join([*parts, "</div>"])


def _boxes(culprit, each: str = " a session") -> list[str]:
    """A culprit as HTML: its chain as boxes, and what there is to say of it."""
    arrow = "<span style='opacity:.6'>&nbsp;&#10230;&nbsp;</span>"
    boxes = [
        "<span style='display:inline-block;border:1px solid currentColor;border-radius:4px;padding:1px 6px;"
        f"margin:2px 0;{'font-weight:bold' if place == 0 else ''}'>{html.escape(step)}</span>"
        for place, step in enumerate(culprit.chain)
    ]
    lines = [f"<div style='padding-left:8px'>{html.escape(line)}</div>" for line in _about(culprit, each)]
    return [f"<div style='margin-top:10px'>{arrow.join(boxes)}</div>", *lines]


def page(result) -> str:
    """The result as a page of its own, with the picture in it."""
    return pages.render(
        "hunt",
        result=result,
        headline=HEADLINE[result.verdict],
        tone=TONE[COLOUR[result.verdict]],
        mark=MARK[COLOUR[result.verdict]],
        claim=claim(result),
        how=how(result),
        known=known(result),
        live=live(result),
        elsewhere=elsewhere,
        size=show_size,
        growth=growth,
        alt=alt(result),
        picture=base64.b64encode(_png(result)).decode() if result.batches else "",
    )


def write_page(result, file) -> None:
    pages.write(page(result), file)


def alt(result) -> str:
    """What the picture shows, in words."""
    return (
        f"What each session of {result.app} left, in {len(result.batches)} batches: {numbers(result)}; "
        f"verdict {result.verdict}."
    )


def picture(result):
    """A matplotlib figure: bytes and objects that each session left, batch by batch, against the floor."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True)
    colour = HEX[COLOUR[result.verdict]]
    ends, begin = [], 0
    for batch in result.batches:
        ends.append(begin + batch.sessions)
        begin += batch.sessions
    for axis, name, label in ((axes[0], "bytes", "KB a session"), (axes[1], "objects", "objects a session")):
        scale = 1000 if name == "bytes" else 1
        values = [getattr(batch, name) for batch in result.batches]
        points = [(x, y / scale) for x, y in zip(ends, values, strict=True) if y is not None]
        if points:
            axis.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, linewidth=1)
            # one step, such as a module that is imported late, must not hide the rest
            high = max(sorted(y for _, y in points)[: max(1, round(0.8 * len(points)))])
            floor = result.floor[name] / scale
            axis.axhline(floor, color="#57606a", linestyle="--", linewidth=1)
            axis.annotate("floor", (0, floor), color="#57606a", fontsize=8, va="bottom")
            top = 1.6 * max(high, floor)
            axis.set_ylim(-0.35 * top, top)
        axis.set_ylabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.axhline(0, color="#d0d7de", linewidth=0.8)
    begin = 0
    for number in sorted({batch.window for batch in result.batches}):
        width = sum(batch.sessions for batch in result.batches if batch.window == number)
        for axis in axes:
            axis.axvspan(begin, begin + width, color="#57606a", alpha=0.06 if number % 2 else 0.0, linewidth=0)
        axes[0].annotate(f"window {'ABCDEFGH'[number - 1]}", (begin, 1), xycoords=("data", "axes fraction"), fontsize=8)
        begin += width
    axes[1].set_xlabel("sessions opened and ended")
    figure.suptitle(f"{result.app}: {result.verdict}", fontsize=11)
    return figure


def _png(result) -> bytes:
    buffer = io.BytesIO()
    picture(result).savefig(buffer, dpi=100, facecolor="white")
    return buffer.getvalue()
