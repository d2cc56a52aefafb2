"""Editable sliders are never let go, nor is what they hold. Exit code 1 if so, 0 if not."""

import gc
import sys
import weakref

import panel as pn

NUMBER = 5


def main():
    sliders = weakref.WeakSet()
    for _ in range(NUMBER):
        sliders.add(pn.widgets.EditableIntSlider(name="Years"))
    gc.collect()
    kept = len(sliders)
    print(f"of {NUMBER} editable sliders that nobody holds, {kept} are in memory,")
    print(
        f"and the registry has {len(pn.links.Callback.registry)} callbacks' sources" + (" (good)" if not kept else "")
    )
    return bool(kept)


sys.exit(main())
