"""Three well-known tools inside a Panel server: `panel serve app.py --plugins leak_tools`.

For a machine of your own only: it answers everybody who asks.
"""

import gc
import json
import tracemalloc

import objgraph
from tornado.web import RequestHandler

running = {}


def tracemalloc_start():
    tracemalloc.start()
    running["snapshot"] = tracemalloc.take_snapshot()


def tracemalloc_stop():
    """The lines that allocated what is there now and was not there before: place, bytes."""
    now = tracemalloc.take_snapshot()
    tracemalloc.stop()
    rows = now.compare_to(running.pop("snapshot"), "lineno")
    return [(f"{row.traceback[0].filename}:{row.traceback[0].lineno}", row.size_diff) for row in rows[:10]]


def objgraph_growth():
    """The types of which there are more than when this was last asked: name, how many there are, how many more."""
    return objgraph.growth(limit=None)


def objgraph_chain(kind):
    """One chain from a module to an object of that type, as a list of types."""
    target = objgraph.by_type(kind)[-1]
    chain = objgraph.find_backref_chain(target, objgraph.is_proper_module, extra_ignore=(id(target),))
    return [getattr(thing, "__name__", type(thing).__name__) for thing in chain]


def memray_start(file):
    import memray  # does not exist for Windows

    running["memray"] = memray.Tracker(file, trace_python_allocators=True)
    running["memray"].__enter__()


def memray_stop():
    running.pop("memray").__exit__(None, None, None)


class Tool(RequestHandler):
    def get(self, name):
        gc.collect()
        arguments = {key: self.get_query_argument(key) for key in self.request.query_arguments}
        self.write(json.dumps(globals()[name](**arguments)))


ROUTES = [("/leak_tools/([a-z_]+)", Tool, {})]
