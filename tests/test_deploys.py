"""The deploys, short: a rolling restart, a kill and a restart of Redis, under visitors who edit all the time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from machine import browser_or_skip

from sessionlab.nginx import find_nginx

pytestmark = [pytest.mark.server, pytest.mark.slow("visitors for half a minute")]

ROOT = Path(__file__).parents[1]


def test_nothing_that_persist_had_to_keep_is_lost():
    browser_or_skip()
    for program, path in (("nginx", find_nginx()), ("redis-server", shutil.which("redis-server"))):
        if path is None:
            assert not os.environ.get("CI"), f"CI needs Debian's {program}: apt-get install {program}"
            pytest.skip(f"there is no {program} on this machine: apt-get install {program}")
    command = [sys.executable, ROOT / "benchmarks" / "deploys.py", "--json", "--ways", "stock", "persist"]
    command += ["--times", "1", "--visitors", "8", "--browsers", "1", "--pause", "1.5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    stock, persist = found["rows"]
    assert stock["values_lost"] == stock["values_due"] > 0  # nothing of it comes back: the count does count
    assert persist["sessions_lost"] > 0 and persist["values_due"] > 0
    lost = {name: persist[f"values_{name}"] for name in ("lost", "of_others", "wrong")}
    assert lost == {"lost": 0, "of_others": 0, "wrong": 0}, found
