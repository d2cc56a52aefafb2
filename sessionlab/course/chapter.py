"""The first cell of every chapter: are these the versions that the text speaks of?"""

from __future__ import annotations

import importlib.metadata

from sessionlab.course.recorded import install
from sessionlab.doctor import PINNED


def begin() -> None:
    """Say which versions run here, and what that means for the numbers in the text.

    Where there is no browser, the experiments of the chapter show what was recorded.
    """
    install()
    found = {package: importlib.metadata.version(package) for package in PINNED}
    print(", ".join(f"{package.capitalize()} {version}" for package, version in found.items()), end=": ")
    if found == PINNED:
        print("the versions that this chapter was measured with.")
    else:
        measured = ", ".join(f"{package.capitalize()} {version}" for package, version in PINNED.items())
        print(f"this chapter was measured with {measured}; times, texts and traps may differ.")
