"""The notebooks under test: nobody's progress is touched, and a busy machine is no failure."""

import os
import tempfile

folder = tempfile.TemporaryDirectory(prefix="sessionlab-")

# the kernels inherit both
os.environ.setdefault("SESSIONLAB_PROGRESS", os.path.join(folder.name, "progress.json"))
os.environ.setdefault("SESSIONLAB_PATIENCE", "2")


def pytest_unconfigure():
    folder.cleanup()
