"""What chapter 07 looks at: the suspects of a forum thread, the cases that leak, and what each of these leaves.

suspects = await left_behind(SUSPECTS, during=use)
leaky = await left_behind(apps("leaky"))
weights(leaky, fixed)
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Mapping
from pathlib import Path

from sessionlab.client.crowd import visit_together
from sessionlab.client.protocol import Session
from sessionlab.client.scenario import use_widgets
from sessionlab.course.catalogue import ROOT
from sessionlab.course.measure import Left
from sessionlab.course.picture import GREEN, RED, Picture, picture
from sessionlab.errors import VisitFailed
from sessionlab.server import Server

CASES = ROOT / "notebooks" / "apps" / "casebook"
NAMES = (
    "blank",
    "containers",
    "template",
    "reading",
    "plots",
    "rangetool",
    "hvplot_lines",
    "datashaded",
    "plotly_hover",
    "table",
    "chat",
    "links",
    "sleeping",
)
SUSPECTS = [CASES / "suspects" / f"{name}.py" for name in NAMES]
COUNTED = {  # case: what each session of the leaky application leaves
    "notifications": "documents",
    "busy": "parameterized",
    "indicator": "BooleanStatus",
    "editable": "EditableFloatSlider",
    "watcher": "Str",
    "hook": "threads",
    "task": "tasks",
    "timer": "PeriodicCallback",
    "cache": "Report",
    "method": "Report",
    "state_cache": "Report",
    "figure": "Figure",
    "logger": "StreamHandler",
    "numba": "ModuleRef",
}
HOVERS = 20
CLASSES = (1000, 50, 5)  # objects a session
BESIDE = 5  # visitors of the busy page


def apps(kind: str) -> list[Path]:
    """The applications of all cases in `COUNTED`, in their order; ``kind`` is leaky or fixed."""
    return [CASES / f"{case}_{kind}.py" for case in COUNTED]


async def use(session: Session) -> None:
    """Use every widget of the page; over a Plotly figure, hover."""
    await use_widgets(session)
    for model in list(session.models.values()):
        if model.short_type == "PlotlyPlot":
            for number in range(HOVERS):
                await session.set(model, hover_data={"points": [{"pointIndex": number % 3}]})


async def waited(server: Server, page: str, beside: str, begun: str) -> float:
    """Seconds that ``page`` takes while five visitors open the page ``beside``, which logs ``begun`` as it is built.

    Raises VisitFailed if it does not come.
    """
    lines = len(await asyncio.to_thread(server.read_log))
    crowd = asyncio.create_task(visit_together(server.urls[beside], BESIDE, together=BESIDE))
    await asyncio.to_thread(server.log.wait_for_next, begun, lines, 60.0)
    other = await visit_together(server.urls[page], 1)
    await crowd
    visitor = other.visitors[0]
    if visitor.page is None:
        raise VisitFailed(f"{page} did not come.", why=visitor.error)
    return visitor.page


def weights(leaky: Mapping[str, Left], fixed: Mapping[str, Left]) -> Picture:
    """Objects that a session of each case left, on a logarithmic scale, the lightest at the bottom."""
    import matplotlib.pyplot as plt

    def objects(left: Mapping[str, Left], kind: str) -> dict[str, float]:
        return {case: max(0.5, left[f"{case}_{kind}"].objects) for case in COUNTED}

    of_leaky, of_fixed = objects(leaky, "leaky"), objects(fixed, "fixed")
    cases = sorted(COUNTED, key=lambda case: of_leaky[case])
    figure, axes = plt.subplots(figsize=(7.5, 4))
    axes.barh(cases, [of_leaky[case] for case in cases], color=RED, label="leaky")
    axes.plot([of_fixed[case] for case in cases], cases, "|", color=GREEN, ms=14, mew=3, label="fixed")
    axes.set(xscale="log", xlabel="objects that each session left (fewer than 0.5 drawn as 0.5)", xlim=(0.4, 5000))
    axes.legend(loc="lower right")
    return picture(
        figure,
        f"Bars on a logarithmic scale, of objects that each session left. {_classes(of_leaky)}. "
        f"The marks of the fixed apps: {_classes(of_fixed)}.",
    )


def _classes(objects: Mapping[str, float]) -> str:
    """Who left how many, in classes of numbers that are the same from run to run; the heaviest first."""
    limits = (math.inf, *CLASSES, 0)
    said = []
    for most, least in itertools.pairwise(limits):
        names = [case for case, number in objects.items() if least <= number < most]
        what = f"at least {least}" if most == math.inf else f"{least} to {most}" if least else f"fewer than {most}"
        said += [f"{what}: {', '.join(names)}"] if names else []
    return "; ".join(said)
