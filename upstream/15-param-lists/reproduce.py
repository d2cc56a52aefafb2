"""Every `pn.Param` of a list makes a widget class, and each class stays. Exit code 1 if so, 0 if not."""

import gc
import sys

import panel as pn
import param

NUMBER = 5


class Settings(param.Parameterized):
    tags = param.List(default=[])


def classes():
    gc.collect()
    return sum(cls.__name__ == "ListInput" for cls in pn.widgets.LiteralInput.__subclasses__())


def main():
    before = classes()
    for _ in range(NUMBER):
        pn.Param(Settings()).get_root()
    kept = classes() - before
    print(
        f"{NUMBER} panes of settings that nobody holds any more have left {kept} classes"
        + (" (good)" if kept < 2 else "")
    )
    return kept > 1


sys.exit(main())
