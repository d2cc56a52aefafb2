"""What can be told from the application's source alone: blocks, hooks, caches, options, deployment files."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sessionlab.checks.rules import Finding
from sessionlab.checks.source import Source

# What Bokeh hands on to Tornado; Tornado knows no list of it either, these are those of its documentation.
TORNADO = set(
    "autoreload debug default_handler_class default_handler_args compress_response log_function serve_traceback "  # noqa: SIM905
    "ui_modules ui_methods websocket_ping_interval websocket_ping_timeout websocket_max_message_size cookie_secret "
    "key_version login_url xsrf_cookies xsrf_cookie_version xsrf_cookie_kwargs xsrf_cookie_name static_path "
    "static_url_prefix static_handler_class template_path autoescape xheaders max_buffer_size ssl_options protocol "
    "decompress_request idle_connection_timeout body_timeout max_body_size trusted_downstream num_procs".split()
)
INVENTED = {
    "session_context.locals": "keep such data in a closure, or use sessionlab.harden.session_locals()",
    "get_session_context": "a WSHandler knows its session as self.connection.session",
}
SERVERS = {"panel.serve", "panel.io.serve", "panel.io.server.serve", "panel.io.server.get_server"}
BOKEH_SERVERS = {"bokeh.server.server.Server", "bokeh.server.server.BaseServer", "bokeh.server.tornado.BokehTornado"}


@dataclass(frozen=True)
class Place:
    """Something that was found in the source: ``what``, and ``where`` as ``app.py:14``."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"


def listed(places: Iterable, most: int = 3) -> str:
    """``a, b and 2 more``."""
    texts = [str(place) for place in places]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


# -- blocks and hooks ---------------------------------------------------------------------------------------------


def blocks(sources: Sequence[Source]) -> list[Place]:
    """Uses of the stock block, which acts on every session."""
    return [
        Place(f"pn.state.{name.rpartition('.')[2]}()", source.line(call))
        for source in sources
        for call, name in source.calls()
        if re.fullmatch(r"panel\b.*\bstate\.(un)?block_expiration", name)
    ]


def hooks(sources: Sequence[Source]) -> list[Place]:
    """Places where a destroy hook is registered."""
    return [
        Place(name.rpartition(".")[2], source.line(call))
        for source in sources
        for call, name in source.calls()
        if name.endswith("on_session_destroyed")
    ]


# -- caches -------------------------------------------------------------------------------------------------------


def caches(sources: Sequence[Source]) -> Finding:
    """Caches that grow with every new argument."""
    found = [place for source in sources for place in _caches(source)]
    if not found:
        return Finding("pass", "The source has no cache without a bound.")
    return Finding(
        "warn",
        f"Without a bound: {listed(found)}.",
        "give functools.lru_cache a maxsize, pn.cache max_items or ttl, and entries of pn.state.cache an end "
        "with the session that made them.",
    )


def _caches(source: Source) -> Iterator[Place]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if (what := _unbounded(source, decorator)) and _grows(node):
                    yield Place(f"{what} on {node.name}()", source.line(decorator))
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if (
                    isinstance(target, ast.Subscript)
                    and re.fullmatch(r"panel\b.*state\.cache", source.dotted(target.value))
                    and not isinstance(target.slice, ast.Constant)
                ):
                    yield Place("pn.state.cache[…] with a key that varies", source.line(node))
        elif isinstance(node, ast.Call) and re.fullmatch(r"panel\b.*state\.as_cached", source.dotted(node.func)):
            given = {keyword.arg for keyword in node.keywords}
            if node.args and not isinstance(node.args[0], ast.Constant) and "ttl" not in given:
                yield Place("pn.state.as_cached with a key that varies", source.line(node))


def _unbounded(source: Source, decorator: ast.expr) -> str:
    name = source.dotted(decorator)
    given = {k.arg: k.value for k in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    if name == "functools.cache":
        return "functools.cache"
    if name == "functools.lru_cache":
        first = decorator.args[:1] if isinstance(decorator, ast.Call) else []
        size = given.get("maxsize") or (first[0] if first else ast.Constant(128))
        return "functools.lru_cache(maxsize=None)" if isinstance(size, ast.Constant) and size.value is None else ""
    if re.fullmatch(r"panel\b.*\bcache", name) and not {"max_items", "ttl", "per_session"} & given.keys():
        return "pn.cache"
    return ""


def _grows(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the function can be called with different arguments at all."""
    arguments = function.args
    return bool(arguments.args or arguments.kwonlyargs or arguments.posonlyargs or arguments.vararg or arguments.kwarg)


# -- options ------------------------------------------------------------------------------------------------------


def options(sources: Sequence[Source], environment: Mapping[str, str]) -> Finding:
    """Names that nobody reads: in calls that start a server, in pn.extension and pn.config, in the environment."""
    wrong: list[str] = [_said(place, near) for source in sources for place, near in _misspelt(source)]
    wrong += [_said(Place(f"the environment's {name}", "environment"), near) for name, near in _variables(environment)]
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute):
                name = source.dotted(node)
                for ending, instead in INVENTED.items():
                    if name.endswith("." + ending) or name == ending:
                        wrong.append(f"{ending} ({source.line(node)}), which does not exist: {instead}")
    if not wrong:
        return Finding("pass", "Every option in the source and the environment is known.")
    return Finding("fail", f"Nobody reads {listed(wrong, 4)}.", "write the name as the documentation has it.")


def _said(place: Place, near: str) -> str:
    return f"{place}" + (f", perhaps {near}" if near else "")


def _misspelt(source: Source) -> Iterator[tuple[Place, str]]:
    for call, name in source.calls():
        given = [keyword.arg for keyword in call.keywords if keyword.arg]
        if not given:
            continue
        if name in SERVERS | BOKEH_SERVERS:
            known = _server_options()
        elif name == "panel.extension":
            known = _config_options()
        else:
            continue
        for option in given:
            if option not in known:
                yield Place(f"{name.rpartition('.')[2]}({option}=…)", source.line(call)), _near(option, known)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and source.dotted(target.value) == "panel.config":
                    known = _config_options()
                    if target.attr not in known:
                        yield Place(f"pn.config.{target.attr}", source.line(node)), _near(target.attr, known)


def _near(name: str, known: Iterable[str]) -> str:
    known = list(known)
    begins = [each for each in known if each.startswith(name)]
    return (begins or difflib.get_close_matches(name, known, n=1, cutoff=0.7) or [""])[0]


def _server_options() -> set[str]:
    from bokeh.server.server import Server
    from bokeh.server.tornado import BokehTornado
    from panel.io.server import get_server, serve

    functions = (serve, get_server, Server.__init__, BokehTornado.__init__)
    return {name for function in functions for name in inspect.signature(function).parameters} | TORNADO


def _config_options() -> set[str]:
    import panel

    return {name.lstrip("_") for name in panel.config.param} | {"ip", "comms", "inline"} | set(dir(type(panel.config)))


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables that look like one of Bokeh's or Panel's and are not."""
    known = _known_variables()
    for name in sorted(environment):
        if name.startswith(("BOKEH_", "PANEL_")) and name not in known:
            for near in difflib.get_close_matches(name, known, n=1, cutoff=0.88):  # others may have theirs
                yield name, near


def _known_variables() -> set[str]:
    import panel
    from bokeh.settings import Settings

    names = {setting.env_var for setting in vars(Settings).values() if hasattr(setting, "env_var")}
    for file in ("config.py", "auth.py", "command/serve.py", "io/state.py"):
        text = (Path(panel.__file__).parent / file).read_text("utf-8")
        names |= set(re.findall(r"""["'](PANEL_[A-Z_]+)["']""", text))
    return {name for name in names if name}


# -- what lies beside the application -------------------------------------------------------------------------------


def probes_of_the_app(apps: Sequence[str | os.PathLike]) -> list[Place]:
    """Deployment files beside the application whose health checks ask for ``?endpoint=``, which runs the app."""
    folders = {Path(app).resolve().parent if Path(app).is_file() else Path(app).resolve() for app in map(str, apps)}
    found = []
    for folder in (f for f in folders if f.is_dir()):
        for file in sorted(folder.iterdir()):
            if file.is_file() and (file.name.startswith("Dockerfile") or file.suffix in (".yml", ".yaml")):
                for number, line in enumerate(file.read_text("utf-8", "replace").splitlines()[:2000], 1):
                    if re.search(r"liveness\S*\?\S*endpoint=", line) and not line.lstrip().startswith("#"):
                        found.append(Place(line.strip()[:80], f"{file.name}:{number}"))
    return found
