"""Session-destroyed hooks run after the module of their script was emptied. Exit code 1 if so, 0 if not."""

import asyncio
import contextlib
import io
import logging
import sys
import tempfile
from pathlib import Path

from bokeh.application.application import Application
from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
from bokeh.application.handlers.script import ScriptHandler
from bokeh.server.contexts import ApplicationContext

SCRIPT = """
from bokeh.io import curdoc

connection = "the connection"

def close(session_context):
    print("closing", connection)

curdoc().on_session_destroyed(close)
"""


async def hook_runs(application_class, script) -> bool:
    server = ApplicationContext(application_class(ScriptHandler(filename=script), DocumentLifecycleHandler()))
    modules = set(sys.modules)
    session = await server.create_session_if_needed("a")
    (name,) = [name for name in set(sys.modules) - modules if name.startswith("bokeh_app_")]
    module = sys.modules[name]
    session.request_expiration()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        await server._cleanup_sessions(0)
    assert session.destroyed
    assert not vars(module) and name not in sys.modules, "after the hooks, the module has to be emptied"
    return said.getvalue() == "closing the connection\n"


def main():
    logging.basicConfig(format="%(message)s")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(SCRIPT)
        runs = {"Bokeh": asyncio.run(hook_runs(Application, script))}
        from panel.io.application import Application as PanelApplication  # it has a Document.destroy of its own

        runs["Panel"] = asyncio.run(hook_runs(PanelApplication, script))
    for framework, good in runs.items():
        print(f"{framework}: the hook {'found its connection (good)' if good else 'could not read its global'}")
    return not all(runs.values())


sys.exit(main())
