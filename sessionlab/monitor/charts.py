"""The three charts of a page: a bar per session, sessions over time, memory over time.

Every figure, glyph and source is made once, for the page; `Charts.update` changes only data and ranges. What lasts
still has its right end far in the future and is clipped by the range, so that a bar that grows costs nothing.
Columns are lists: arrays would keep a page from coming back after its connection was lost (Bokeh 3.9).
"""

from __future__ import annotations

import math
import time

from bokeh.models import (
    CDSView,
    ColumnDataSource,
    DatetimeTicker,
    DatetimeTickFormatter,
    FixedTicker,
    GroupFilter,
    HoverTool,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure
from bokeh.transform import factor_cmap, factor_mark

from sessionlab.monitor.view import SAMPLES, Bar, Sample, View
from sessionlab.probe.timeline import BLOCKED, MARKS, STATES

FAR = 4e12  # milliseconds: late in the century
MOST_BARS = 300  # rows that can still be told apart
FEWEST_ROWS = 8
LABELS = 16  # of rows, at most
HEIGHTS = {"connected": 0.86, "disconnected": 0.56, "new": 0.32}  # the state can be told where a hatch cannot be seen
HATCHES = {"connected": " ", "disconnected": "right_diagonal_line", "new": "dot"}
MARKERS = {"^": "triangle", "v": "inverted_triangle", "X": "x", "s": "square"}
SHOWN_MARKS = {kind: (MARKERS[m], colour) for kind, (m, colour, _) in MARKS.items() if m in MARKERS}
SEGMENT = ("left", "right", "y", "height", "state", "label", "app", "id", "since")
HOVER = """
<div style="font:12px system-ui, sans-serif; line-height:1.5">
<b>session @label</b> on @app<br>@state since @since<br><code>@id</code></div>"""


def local(seconds: float) -> float:
    """A moment as Bokeh's axes want it: milliseconds, in this machine's zone, which a browser cannot know."""
    return (seconds + time.localtime(seconds).tm_gmtoff) * 1000


class Charts:
    """The figures of one page.

    Attributes
    ----------
    bars, counts, memory : the figures, with one time axis for all.
    hidden : how many bars of the last `update` were left out because there were too many.
    """

    def __init__(self):
        self.hidden = 0
        self._shown: list[Bar] = []
        self._taken = 0
        self._x = Range1d(0, 1)
        self._segments = ColumnDataSource({name: [] for name in SEGMENT})
        self._blocks = ColumnDataSource({name: [] for name in ("left", "right", "y")})
        self._marks = ColumnDataSource({name: [] for name in ("x", "y", "kind")})
        self._gaps = ColumnDataSource({name: [] for name in ("x0", "x1")})
        self._chosen = ColumnDataSource({"y": [-10.0], "left": [0.0], "right": [FAR]})
        self._samples = ColumnDataSource({name: [] for name in ("time", "sessions", "connected", "away", "memory")})
        self.bars = self._draw_bars()
        self.counts = self._draw_counts()
        self.memory = self._draw_memory()

    # -- made once ----------------------------------------------------------------------------------------

    def _figure(self, name: str, height: int, **options):
        drawn = figure(
            name=f"plot-{name}", height=height, sizing_mode="stretch_width", x_axis_type="datetime", x_range=self._x,
            toolbar_location=None, tools="", min_border_left=66, min_border_right=14, min_border_top=6,
            min_border_bottom=6, **options,
        )  # fmt: skip
        drawn.axis.minor_tick_line_color = None
        drawn.xgrid.grid_line_alpha = drawn.ygrid.grid_line_alpha = 0.5
        drawn.xaxis.formatter = DatetimeTickFormatter(seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M:%S")
        drawn.xaxis.ticker = DatetimeTicker(desired_num_ticks=8)
        drawn.toolbar.autohide = True
        drawn.vstrip(
            "x0", "x1", source=self._gaps, fill_color="#808080", fill_alpha=0.35, line_color=None, level="overlay",
            hatch_pattern="cross", hatch_color="#808080", hatch_alpha=0.7, hatch_scale=10,
        )  # fmt: skip
        return drawn

    def _draw_bars(self):
        drawn = self._figure("bars", 296, y_range=Range1d(FEWEST_ROWS - 0.5, -0.5))
        drawn.xaxis.visible = False
        drawn.ygrid.visible = False
        drawn.yaxis.ticker = FixedTicker(ticks=[])
        drawn.hbar("y", 1.0, right="right", left="left", source=self._chosen, fill_color="#808080", fill_alpha=0.35,
                   line_color=None)  # fmt: skip
        segments = [self._draw_segments(drawn, state) for state in STATES]
        drawn.hbar("y", 0.2, right="right", left="left", source=self._blocks, fill_color=BLOCKED, line_color="white",
                   line_width=1, line_alpha=0.8)  # fmt: skip
        kinds = list(SHOWN_MARKS)
        self._markers = drawn.scatter(
            "x", "y", source=self._marks, size=10, line_color="white", line_width=0.5,
            marker=factor_mark("kind", [marker for marker, _ in SHOWN_MARKS.values()], kinds),
            fill_color=factor_cmap("kind", [colour for _, colour in SHOWN_MARKS.values()], kinds),
        ).glyph  # fmt: skip
        drawn.add_tools(HoverTool(renderers=segments, tooltips=HOVER), TapTool(renderers=segments))
        return drawn

    def _draw_segments(self, drawn, state: str):
        """The segments of one state. All look the same to Bokeh, which would paint a hatch of each bar's own anew."""
        made = drawn.hbar(
            "y", "height", right="right", left="left", source=self._segments, line_color=None,
            view=CDSView(filter=GroupFilter(column_name="state", group=state)), fill_color=STATES[state][0],
            hatch_pattern=HATCHES[state], hatch_color="#000000", hatch_alpha=0.55, hatch_scale=7, hatch_weight=1.4,
        )  # fmt: skip
        made.nonselection_glyph = made.selection_glyph = None
        return made

    def _draw_counts(self):
        drawn = self._figure("counts", 104, y_range=Range1d(0, 10))
        drawn.xaxis.visible = False
        drawn.yaxis.ticker.desired_num_ticks = 4
        drawn.step("time", "sessions", source=self._samples, mode="after", line_width=4, color="#808080", name="ink")
        drawn.step("time", "connected", source=self._samples, mode="after", line_width=2, color=STATES["connected"][0])
        drawn.step("time", "away", source=self._samples, mode="after", line_width=2, line_dash=[5, 3],
                   color=STATES["disconnected"][0])  # fmt: skip
        return drawn

    def _draw_memory(self):
        drawn = self._figure("memory", 118, y_range=Range1d(0, 100))
        drawn.yaxis.ticker.desired_num_ticks = 4
        drawn.line("time", "memory", source=self._samples, line_width=2, color="#808080", name="ink")
        return drawn

    def on_tap(self, callback) -> None:
        """Call ``callback`` with the label of the bar that is clicked."""

        def tapped(attr, old, new):
            if new:
                label = self._segments.data["label"][new[0]]
                self._segments.selected.indices = []
                callback(label)

        self._segments.selected.on_change("indices", tapped)

    # -- done twice a second ------------------------------------------------------------------------------

    def update(self, view: View, now: float, window: float, chosen: str = "") -> None:
        """Draw ``view``; the axis ends at ``now`` and is ``window`` seconds long; the bar ``chosen`` stands out."""
        start = now - window
        self._x.update(start=local(start), end=local(now))
        self._update_bars(view, start, chosen)
        silence = view.silent(now)
        gaps = [*view.gaps, *([(view.seen, now)] if silence else [])]
        sync(self._gaps, {"x0": [local(a) for a, _ in gaps], "x1": [local(b) for _, b in gaps]})
        self._update_lines(view, start)

    def _update_bars(self, view: View, start: float, chosen: str) -> None:
        bars = [bar for bar in view.bars if bar.end > start]
        self.hidden = max(0, len(bars) - MOST_BARS)
        if self.hidden:  # those that ended longest ago
            bars = sorted(bars, key=lambda bar: bar.end)[self.hidden :]
        bars.sort(key=lambda bar: bar.begin)
        segments = [row for y, bar in enumerate(bars) for row in _segments(bar, y, start)]
        columns = zip(*segments, strict=True) if segments else [()] * len(SEGMENT)
        sync(self._segments, dict(zip(SEGMENT, map(list, columns), strict=True)))
        blocks = [
            (local(b.begin), _right(b.end), y) for y, bar in enumerate(bars) for b in bar.blocked if b.end > start
        ]
        sync(self._blocks, dict(zip(("left", "right", "y"), _columns(blocks, 3), strict=True)))
        self._update_marks(view, start, {bar.number: y for y, bar in enumerate(bars)})
        rows = max(FEWEST_ROWS, len(bars))
        place = next((y for y, bar in enumerate(bars) if bar.label == chosen and bar.end == math.inf), -10)
        sync(self._chosen, {"y": [place], "left": [0.0], "right": [FAR]})
        _set(self.bars.y_range, start=rows - 0.5, end=-0.5)
        _set(self._markers, size=max(5, min(11, 0.8 * self.bars.height / rows)))
        every = math.ceil(len(bars) / LABELS) or 1
        labels = {y: bar.label for y, bar in enumerate(bars) if y % every == 0}
        axis = self.bars.yaxis[0]
        _set(axis, major_label_overrides=labels)
        _set(axis.ticker, ticks=list(labels))

    def _update_marks(self, view: View, start: float, rows: dict) -> None:
        marks = [m for m in view.marks if m.kind in SHOWN_MARKS and m.time > start and m.number in rows]
        columns = _columns([(local(m.time), rows[m.number], m.kind) for m in marks], 3)
        sync(self._marks, dict(zip(("x", "y", "kind"), columns, strict=True)))

    def _update_lines(self, view: View, start: float) -> None:
        new = view.samples[-(view.taken - self._taken) :] if view.taken > self._taken else ()
        self._taken = view.taken
        if new:
            columns = _columns([_sample(s) for s in new], 5)
            names = ("time", "sessions", "connected", "away", "memory")
            self._samples.stream(dict(zip(names, columns, strict=True)), rollover=SAMPLES)
        shown = [s for s in view.samples if s.time > start and s.sessions == s.sessions]
        if shown:
            _set(self.counts.y_range, end=max(4, 1.15 * max(s.sessions for s in shown)))
            low, high = min(s.memory for s in shown) / 1e6, max(s.memory for s in shown) / 1e6
            step = 10 ** math.floor(math.log10(max(high - low, 10)))
            _set(self.memory.y_range, start=step * math.floor(low / step), end=step * (math.floor(high / step) + 1))


def sync(source: ColumnDataSource, columns: dict[str, list]) -> None:
    """Make ``source`` hold ``columns``: patch what changed and stream what is new, or replace all where rows went."""
    old = len(next(iter(source.data.values())))
    new = len(next(iter(columns.values())))
    patches = {}
    for name, values in columns.items():
        changed = [(i, b) for i, (a, b) in enumerate(zip(source.data[name], values, strict=False)) if a != b]
        if changed:
            patches[name] = changed
    if new < old or sum(map(len, patches.values())) > old:
        source.data = columns
        return
    if patches:
        source.patch(patches)
    if new > old:
        source.stream({name: values[old:] for name, values in columns.items()})


def _set(model, **properties) -> None:
    """Set those properties that differ; setting one to an equal value would still be sent to the browser."""
    changed = {name: value for name, value in properties.items() if getattr(model, name) != value}
    if changed:
        model.update(**changed)


def _columns(rows: list[tuple], width: int) -> list[list]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _right(end: float) -> float:
    return FAR if end == math.inf else local(end)


def _segments(bar: Bar, y: int, start: float) -> list[tuple]:
    return [
        (local(s.begin), _right(s.end), y, HEIGHTS[s.state], s.state, bar.label, bar.app, bar.id[:12], _clock(s.begin))
        for s in bar.segments
        if s.end > start and s.end > s.begin
    ]


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _sample(s: Sample) -> tuple:
    return (local(s.time), s.sessions, s.connected, s.sessions - s.connected, s.memory / 1e6)
