"""The notebooks under test: nobody's progress is touched, and a busy machine is no failure."""

import os
import tempfile

# the kernels inherit both
os.environ.setdefault("SESSIONLAB_PROGRESS", os.path.join(tempfile.mkdtemp(prefix="sessionlab-"), "progress.json"))
os.environ.setdefault("SESSIONLAB_PATIENCE", "2")
