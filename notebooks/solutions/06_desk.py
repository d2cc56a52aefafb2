# panel serve 06_desk.py
"""The desk of a weather station. It leaks in more than one way, and nobody has marked where.

All pages show the same temperature, which each can change, and every line that any page writes into the log. Who comes
later reads the five newest reports.
"""

# >>> solution
import logging
from collections import deque

import panel as pn
import param

from sessionlab.harden import on_session_destroyed

# >>> stub
# import logging
#
# import panel as pn
# import param
#
# <<<
pn.extension()
log = logging.getLogger("station")
log.setLevel(logging.INFO)


class Station(param.Parameterized):
    temperature = param.Integer(20)


class Lines(logging.Handler):
    """Shows what is logged in a text field."""

    def __init__(self, field):
        super().__init__()
        self.field = field

    def emit(self, record):
        self.field.value = record.getMessage()


station = pn.state.as_cached("station", Station)
# >>> solution
reports = pn.state.as_cached("reports", lambda: deque(maxlen=5))
# >>> stub
# reports = pn.state.as_cached("reports", list)
# <<<

temperature = pn.widgets.IntInput(name="Temperature", value=station.temperature)
newest = pn.widgets.TextInput(name="Newest", value=", ".join(r.name for r in list(reports)[-5:]), disabled=True)
line = pn.widgets.TextInput(name="Line", disabled=True)

temperature.param.watch(lambda event, station=station: station.param.update(temperature=event.new), "value")
# >>> solution
watcher = station.param.watch(lambda event, shown=temperature: shown.param.update(value=event.new), "temperature")
handler = Lines(line)
log.addHandler(handler)


@on_session_destroyed
def leave(context):
    station.param.unwatch(watcher)
    log.removeHandler(handler)


# >>> stub
# station.param.watch(lambda event, shown=temperature: shown.param.update(value=event.new), "temperature")
# log.addHandler(Lines(line))
#
#
# <<<
def write(event):
    report = pn.pane.Markdown(f"It has {station.temperature} °C.", name=f"report {event.new}")
    reports.append(report)
    log.info("%s is written", report.name)


pn.Column(temperature, pn.widgets.Button(name="Write", on_click=write), newest, line).servable()
