"""The process in which a check runs: ``python -m sessionlab.course.exercises.worker EXERCISE FILE``.

A wrong app can hang, exit, or fill memory; what it takes with it is this process, and never the notebook's kernel.
It speaks to `check` in events, as the lab's other children do.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from sessionlab.agent.announce import announce
from sessionlab.agent.launch import die_with_parent
from sessionlab.course.exercises.exercise import find
from sessionlab.course.exercises.grading import grade

MEMORY = 6 << 30  # bytes of address space, for this process and for each that it starts


def main() -> None:
    die_with_parent()
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit; a lower one stands
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    name, path = sys.argv[1:]
    verdict = grade(find(name), Path(path), say=lambda text: announce(event="doing", text=text))
    announce(event="verdict", **verdict.to_dict())


if __name__ == "__main__":
    main()
