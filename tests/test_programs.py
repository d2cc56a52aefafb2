"""Which server an application is for, and whether it brings one of its own: told from its syntax tree."""

from __future__ import annotations

import gc
import json
import textwrap
import threading
import time
from pathlib import Path

import pytest

from sessionlab import programs, syntax
from sessionlab.programs import nothing_to_look_at, serves_itself, way_of

PLOT = "from bokeh.plotting import figure\n"
PANEL = {
    "beside others": PLOT + "import numpy as np, panel as pn",
    "under another name": PLOT + "import numpy as np, panel.io.state as state, os",
    "after a semicolon": "import os; import panel",
    "in a function": PLOT + "def page():\n    from panel.layout import (\n        Row,\n        Column,\n    )",
    "where it may be missing": PLOT + "try:\n    import panel\nexcept ImportError:\n    panel = None",
    "by its name": PLOT + "import importlib\npanel = importlib.import_module('panel')",
    "by a built-in": PLOT + "panel = __import__('panel.pane')",
    "over a line's end": PLOT + "from \\\n    panel import Row",
    "by hvPlot": PLOT + "import hvplot.pandas",
    "by an extension": PLOT + "import panel_material_ui as pmui",
    "not at all, in a text that is no Python": PLOT + "this is no Python",
}
BOKEH = {
    "alone": PLOT,
    "with Panel in a text": PLOT + 'TEXT = """\nimport panel as pn\n"""',
    "with a name like Panel's": PLOT + "import panels, paneling.io",
    "with Panel in a comment": PLOT + "# import panel as pn",
}


@pytest.fixture
def write(tmp_path):
    def file(name: str, source: str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    return file


@pytest.mark.parametrize("form", PANEL)
def test_whatever_imports_panel_is_for_panel_serve(write, form):
    assert way_of(write("app.py", PANEL[form])).framework == "panel"


@pytest.mark.parametrize("form", BOKEH)
def test_what_imports_bokeh_alone_is_for_bokeh_serve(write, form):
    app = write("app.py", BOKEH[form])
    assert way_of(app).framework == "bokeh"
    assert way_of(app, ["--autoreload"]).framework == "panel"


def test_neither_is_for_panel_serve(write):
    assert way_of(write("app.py", "print('nothing')")).framework == "panel"
    assert way_of("package.module:function").framework == "panel"


def test_modules_of_the_applications_folder_count(write):
    write("pages/__init__.py", "")
    write("pages/first.py", "from . import parts")
    write("pages/parts.py", "import panel as pn")
    assert way_of(write("app.py", PLOT + "import pages.first")).framework == "panel"
    assert way_of(write("other.py", PLOT + "from pages import first")).framework == "panel"
    assert way_of(write("plain.py", PLOT + "import pages")).framework == "bokeh"


def test_a_folder_and_a_notebook_are_read(write):
    cells = ["%matplotlib inline\nimport os", "%%time\nimport panel", PLOT + "!ls\nif True:\n    %time os.getcwd()\n"]
    notebook = {"cells": [{"cell_type": "code", "source": [cell]} for cell in cells]}
    assert way_of(write("plots.ipynb", json.dumps(notebook))).framework == "bokeh"
    notebook["cells"].append({"cell_type": "code", "source": "import panel as pn"})
    assert way_of(write("pages.ipynb", json.dumps(notebook))).framework == "panel"
    write("folder/main.py", PLOT)
    assert way_of(write("folder/helper.py", "import panel").parent).framework == "panel"


SERVES = "import panel as pn\npn.serve(page)\n"


@pytest.mark.parametrize(
    ("source", "framework", "why"),
    [
        (SERVES, "program", "app.py:2 calls panel.serve"),
        ("from bokeh.server.server import Server\nServer({'/': app}).start()", "program", "app.py:2 calls bokeh"),
        (SERVES + "pn.Column().servable()", "program", "app.py:2 calls panel.serve"),  # for every visitor, else
        (
            "import panel as pn\ndef page():\n    pn.Row().servable()\nserver = pn.serve(page)",
            "program",
            "app.py:4 calls",
        ),
        (
            "import panel as pn\npn.Row().servable()\nif __name__ == '__main__':\n    pn.serve(page)",
            "panel",
            "something in it is .servable(), although app.py:4 calls",
        ),
        ("import panel as pn\npn.Row().servable()\npage.show()", "panel", "something in it is .servable(), although"),
        ("import panel as pn\npn.Column().servable()", "panel", "app.py imports panel"),
        (PLOT, "bokeh", "app.py imports bokeh"),
        (
            "from fastapi import FastAPI\nfrom panel.io.fastapi import add_application\napi = FastAPI()",
            "fastapi",
            "app.py:3 makes the FastAPI 'api'",
        ),
        ("import fastapi\nimport panel as pn\napi = fastapi.FastAPI()", "panel", "app.py imports panel"),
        ("x = 1", "panel", "nothing in it says otherwise"),
    ],
)
def test_how_an_application_is_served_is_told_with_the_reason(write, source, framework, why):
    way = way_of(write("app.py", source))
    assert (way.framework, way.why.startswith(why)) == (framework, True)
    assert ("program" in str(way)) == (framework == "program") and way.why in str(way)
    assert way.name == ("api" if framework == "fastapi" else "")


def test_a_program_may_leave_the_call_to_a_module_of_its_own(write):
    write("start.py", SERVES)
    assert way_of(write("app.py", "import start")) == ("program", "start.py:2 calls panel.serve", "")
    folder = write("folder/main.py", SERVES).parent  # `panel serve` runs its main.py
    assert way_of(folder).framework == "panel"


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("import panel as pn\npn.serve({'a': 1}, show=False)", "app.py:2 calls panel.serve"),
        ("import os, panel\nif __name__ == '__main__':\n    panel.serve(page)", "app.py:3 calls panel.serve"),
        ("from panel import serve as start\nstart(page)", "app.py:2 calls panel.serve"),
        ("import panel as pn\npn.Column('a').show()", "app.py:2 calls .show()"),
        ("from bokeh.server.server import Server\nServer({'/': app}).start()", "calls bokeh.server.server.Server"),
        ("import uvicorn\nuvicorn.run(app)", "app.py:2 calls uvicorn.run"),
        ("import panel as pn\npn.Column('a').servable()", ""),
        ("from matplotlib import pyplot as plt\nplt.show()", ""),
        ("import panel as pn\ndef serve(x): pass\nserve(1)", ""),
    ],
)
def test_a_program_that_serves_by_itself_is_known_by_its_call(write, source, call):
    found = serves_itself(write("app.py", source))
    assert found.endswith(call) and bool(found) == bool(call)


def test_an_empty_page_is_an_error_that_asks_whether_the_program_serves(write):
    program = write("app.py", "import panel as pn\n\nif __name__ == '__main__':\n    pn.serve(page)\n")
    error = nothing_to_look_at("/app", program)
    assert "/app is empty" in error.what and "app.py:4 calls panel.serve" in error.why
    assert '"app:function"' in error.advice
    silent = nothing_to_look_at("/app", write("silent.py", "x = 1"))
    assert "serve by itself?" in silent.why and ".servable()" in silent.advice


def test_threads_parse_at_the_same_time(request):
    """CPython counts the depth of all threads' trees as one: with `ast.parse`, one of these says SystemError."""
    source = Path(programs.__file__).read_text()
    threshold = gc.get_threshold()

    def let_others_in(phase, info):
        time.sleep(0)

    gc.callbacks.append(let_others_in)  # as any finalizer that is written in Python
    request.addfinalizer(lambda: (gc.set_threshold(*threshold), gc.callbacks.remove(let_others_in)))
    gc.set_threshold(50)
    parsed = []
    threads = [threading.Thread(target=lambda: parsed.append(syntax.parse(source))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(parsed) == len(threads)
