"""Looks at one app: the hunt, and the second way. Each is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gather import App

MAX_SECONDS, SESSIONS = 60, 40  # of a hunt
SECOND_WAY = Path(__file__).with_name("second_way.py")


def look(app: App, results: Path) -> dict:
    """What is known of an app: from the file of an earlier run, or by looking."""
    file = file_of(app, results)
    if file.exists():
        return json.loads(file.read_text())
    options = ["--json", "--no-live", "--max-seconds", str(MAX_SECONDS), "--sessions", str(SESSIONS)]
    hunted = _run(["-m", "sessionlab", "hunt", str(app.path), *options], app)
    found = {"name": app.name, "source": app.source, "hunt": hunted}
    if "verdict" in hunted:
        found["second_way"] = _run([str(SECOND_WAY), str(app.path)], app)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1))
    return found


def file_of(app: App, results: Path) -> Path:
    """Where the result of an app is kept."""
    return results / f"{app.name.replace('/', '__')}.json"


def _run(arguments: list[str], app: App) -> dict:
    """The JSON object that a command prints, started in the app's folder, as its reader would."""
    environment = {**os.environ, "MPLBACKEND": "agg"}
    try:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=app.path.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=5 * MAX_SECONDS,
        )
        return json.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"no word within {5 * MAX_SECONDS} s"}
    except ValueError:
        return {"error": (ended.stderr or ended.stdout).strip()[-2000:] or f"exit code {ended.returncode}"}
