"""Visits a second, and what the visitors themselves cost, beside Bokeh's own client.

    python benchmarks/visits.py [--visits 60]

Both visitors go to the same server, in turn and in this process. `bokeh.client.pull_session` gets no page and
rebuilds every model in Python; the lab's visitor gets the page, opens the websocket and keeps the document as
JSON. The rate says how fast sessions are built, for the server does nearly all of the work.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import textwrap
import time
from pathlib import Path

import psutil

from sessionlab import serve
from sessionlab.client.crowd import visit_together

APPS = {
    "one slider": """
        import panel as pn

        pn.extension()
        slider = pn.widgets.IntSlider(name="n", end=10)
        pn.Column(slider, pn.bind(lambda n: f"# {n}", slider)).servable()
    """,
    "plot and table": """
        import numpy as np
        import pandas as pd
        import panel as pn
        from bokeh.plotting import figure

        pn.extension("tabulator")
        x = np.linspace(0, 10, 500)
        plot = figure(height=300)
        plot.line(x, np.sin(x))
        table = pn.widgets.Tabulator(pd.DataFrame({"x": x[:20], "y": np.sin(x[:20])}))
        inputs = [pn.widgets.FloatSlider(name=f"input {i}") for i in range(8)]
        pn.Row(pn.Column(*inputs), plot, table).servable()
    """,
}


def pull(url: str, visits: int) -> None:
    """The same number of visits by Bokeh's client, one after another, as it has no other way."""
    import panel.models.tabulator  # noqa: F401 - this client must know every model of the application
    from bokeh.client import pull_session

    for _ in range(visits):
        pull_session(url=url).close()


async def compare(source: str, visits: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app.py"
        app.write_text(textwrap.dedent(source))
        with serve(app, lifetime=2, check=1) as server:
            await visit_together(server, 5)
            await asyncio.to_thread(pull, server.url, 2)
            for name, together in [("sessionlab", 1), ("sessionlab", 4), ("pull_session", 1)]:
                process = psutil.Process(server.pid)
                begin, own, theirs = time.perf_counter(), time.process_time(), sum(process.cpu_times()[:2])
                if name == "sessionlab":
                    await visit_together(server, visits, together=together)
                else:
                    await asyncio.to_thread(pull, server.url, visits)
                seconds, own = time.perf_counter() - begin, time.process_time() - own
                theirs = sum(process.cpu_times()[:2]) - theirs
                print(
                    f"  {name:<13}{together:>2} at a time: {visits / seconds:6.1f} visits/s, "
                    f"CPU a visit: own {own / visits * 1000:6.2f} ms, server {theirs / visits * 1000:6.1f} ms, "
                    f"share {own / theirs:6.1%}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=60)
    arguments = parser.parse_args()
    for title, app_source in APPS.items():
        print(title)
        asyncio.run(compare(app_source, arguments.visits))
