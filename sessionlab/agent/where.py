"""Tell an application's own code from that of libraries. Runs in the served process.

An application's file is one that lies neither in the standard library, nor in site-packages, nor in the lab; or in the
package of the function that is served, which may be installed.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import types

_LIBRARIES = tuple(
    {os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {os.path.realpath(os.path.join(os.path.dirname(__file__), os.pardir)) + os.sep}
)


_SERVED = ("sessionlab.agent.",)


def package_of(app: str) -> str:
    """The package of an application given as ``module:function``, as it is called at the top; else empty."""
    module, colon, _ = app.partition(":")
    return module.partition(".")[0] if colon and not os.path.exists(app) else ""


FUNCTION = "SESSIONLAB_FUNCTION"  # the variable of the environment that says which function is served
_PACKAGE = package_of(os.environ.get(FUNCTION, ""))


@functools.lru_cache(maxsize=4096)
def is_app_file(filename: str | None, package: str = _PACKAGE) -> bool:
    """Whether code from ``filename`` belongs to the application, which may be an installed ``package``."""
    if not filename or filename.startswith("<"):
        return False
    path = os.path.realpath(filename)
    _, installed, inside = path.rpartition("-packages" + os.sep)
    if package and installed and inside.partition(os.sep)[0].removesuffix(".py") == package:
        return True
    return not path.startswith(_LIBRARIES) and "site-packages" not in path and "dist-packages" not in path


@functools.lru_cache(maxsize=4096)
def shown(filename: str) -> str:
    """``filename`` as short as it stays clear: relative to where it is installed, or to the working directory."""
    _, installed, inside = filename.rpartition("-packages" + os.sep)
    if installed:
        return inside
    relative = os.path.relpath(filename)
    return os.path.basename(filename) if relative.startswith(os.pardir) else relative


def app_line(depth: int = 1, within: types.CodeType | None = None) -> tuple[str, str]:
    """The line of the application that led here, and the callback it belongs to.

    The callback is the function of the application that a library called last: with a helper of the
    application between the two, the line is the helper's. Returns ``("app.py:14", "on_click")``, or two empty
    strings when only libraries stand on the stack; the callback of a script's own lines is ``"<module>"``.
    With ``within``, only what was called by that code is looked at.
    """
    frame: types.FrameType | None = sys._getframe(depth + 1)
    while frame is not None and frame.f_code is not within and not is_app_file(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or frame.f_code is within:
        return "", ""
    where = f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
    while frame.f_back is not None and is_app_file(frame.f_back.f_code.co_filename):
        frame = frame.f_back
    return where, getattr(frame.f_code, "co_qualname", frame.f_code.co_name)


def is_lab(module: str) -> bool:
    """Whether a module is one of the lab's that run in the served process; ``sessionlab.harden`` is a library."""
    return module == "sessionlab" or f"{module}.".startswith(_SERVED)


def is_app_module(name: object) -> bool:
    """Whether a class that says it is from module ``name`` belongs to the application.

    The module of a served script is called ``bokeh_app_…`` and is gone after its session, unlike its classes.
    """
    if not isinstance(name, str):  # some C classes have a descriptor there
        return False
    return name.startswith("bokeh_app_") or is_app_file(getattr(sys.modules.get(name), "__file__", None))


def describe(function) -> str:
    """A function of the application or of a library as ``name (file:line)``."""
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} ({shown(code.co_filename)}:{code.co_firstlineno})" if code else name


def is_app_function(function) -> bool:
    while hasattr(function, "func"):
        function = function.func
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and is_app_file(code.co_filename)
