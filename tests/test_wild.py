"""What `benchmarks/wild` takes for an app, and what it makes of the results; no app is fetched or run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

WILD = Path(__file__).parents[1] / "benchmarks" / "wild"
PAGE = """
# A guide

```python
import panel as pn

pn.Row("one").servable()
```

```python
x = 1  # shows nothing
```

```{pyodide}
pn.Row("two").servable()  # of what the block above has imported
```

````{pyodide}
from panel import Row

Row("three").servable()
````
"""


@pytest.fixture
def wild(monkeypatch):
    """The modules of the benchmark, by their names."""
    monkeypatch.syspath_prepend(WILD)
    names = ("gather", "table", "second_way")
    yield {name: __import__(name) for name in names}
    for name in names:
        sys.modules.pop(name)


@pytest.fixture
def source(tmp_path):
    """A distribution that has been fetched already."""
    root = tmp_path / "src" / "lib-1.0"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "guide.md").write_text(PAGE)
    (root / "docs" / "helper.py").write_text("x = 1\n")
    (root / "docs" / "app.py").write_text("import panel as pn\npn.Row('x').servable()\n")
    cells = ["import panel as pn\n%matplotlib inline\nx = pn.Row('one')\nx", "%%bash\nls", "y = 2", "pn.Row('two');"]
    cells = [{"cell_type": "code", "source": [cell]} for cell in cells]
    (root / "docs" / "shown.ipynb").write_text(json.dumps({"cells": cells}))
    (root / "docs" / "broken.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["x ="]}]}))
    return {
        "name": "lib",
        "version": "1.0",
        "python": ["docs/*.py"],
        "shown": ["docs/*.ipynb"],
        "blocks": ["docs/*.md"],
    }


def test_what_is_an_app(wild, source, tmp_path, monkeypatch):
    monkeypatch.setattr(wild["gather"], "sources", lambda: [source])
    apps = {app.name: app for app in wild["gather"].gather(tmp_path / "src")}
    assert list(apps) == ["lib/docs/app.py", "lib/docs/shown.ipynb", "lib/docs/guide.md#1", "lib/docs/guide.md#4"]
    assert {app.source for app in apps.values()} == {"lib 1.0"}
    assert 'Row("three").servable()' in apps["lib/docs/guide.md#4"].path.read_text()
    shown = apps["lib/docs/shown.ipynb"].path.read_text()
    assert shown.count("_show_what_the_cell_ends_with(") == 2  # what it is, and the one cell that ends with a thing
    assert "_show_what_the_cell_ends_with(x)" in shown and "bash" not in shown and "matplotlib" not in shown
    compile(shown, "shown.py", "exec")


def looked(verdict="clean", objects=(0.0, 0.0), **hunt):
    left = {"bytes": 2000.0, "objects": 3.0}
    found = {"verdict": verdict, "seconds": 12.0, "per_session": left, "culprits": [], "live": {}, **hunt}
    return {"name": "lib/a.py", "source": "lib 1.0", "hunt": found, "second_way": {"objects": list(objects)}}


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (looked("clean", (0.1, -0.2)), True),
        (looked("clean", (5.0, 4.0)), False),
        (looked("leak", (5.0, 4.0)), True),
        (looked("leak", (5.0, 0.0)), False),
        (looked("bounded", (5.0, 4.0)), None),
        ({**looked("leak"), "second_way": {"error": "TimeoutError: "}}, None),
    ],
)
def test_the_second_way_agrees_or_not(wild, one, same):
    assert wild["table"].agree(one) is same
    assert ("≠" in wild["table"].page([one], 1, "command").split("## All that ran")[1]) == (same is False)


def test_what_could_not_run_has_a_cause_and_no_path_of_this_machine(wild):
    error = {
        "error": "a.py could not be run.",
        "why": "Traceback\n  File '/some/where/a.py'\nImportError: no /x/y/z.so",
    }
    away = {"error": "a.py could not be run.", "why": "urllib.error.URLError: <urlopen error>"}
    found = [{"name": f"lib/{n}.py", "source": "lib 1.0", "hunt": hunt} for n, hunt in enumerate((error, away))]
    page = wild["table"].page([*found, looked("leak", (5, 5))], 9, "command")
    assert "3 of 9 apps were looked at, of which 1 run" in page
    assert "ImportError: no z.so" in page and "it fetches data from elsewhere" in page
    assert "/some/where" not in page and "| `lib/a.py` | leak | 2.0 KB, 3 objects |" in page


def test_a_visitor_of_the_second_way_uses_what_is_on_the_page(wild):
    model = {"type": "object", "name": "bokeh.models.Slider", "id": "p1", "attributes": {"end": 9}}
    button = {"type": "object", "name": "panel.models.widgets.Button", "id": "p2", "attributes": {"label": [model]}}
    uses = wild["second_way"].uses({"roots": [button, {"type": "object", "name": "Div", "id": "p3", "attributes": {}}]})
    assert uses[1] == {"kind": "ModelChanged", "model": {"id": "p1"}, "attr": "value", "new": 9}
    assert uses[0]["msg_data"]["name"] == "button_click" and len(uses) == 2
