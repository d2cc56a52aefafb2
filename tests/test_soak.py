"""The soak, short: thirteen visitors with bad luck, a kill, a cut and an orderly end, behind nginx."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sessionlab.nginx import find_nginx

pytestmark = [pytest.mark.server, pytest.mark.slow("visitors for half a minute")]

ROOT = Path(__file__).parents[1]


def test_visitors_get_what_the_servers_owe_them():
    if find_nginx() is None:
        assert not os.environ.get("CI"), "CI needs Debian's nginx: apt-get install nginx"
        pytest.skip("there is no nginx on this machine: apt-get install nginx")
    command = [sys.executable, ROOT / "benchmarks" / "soak.py", "--json"]
    command += ["--minutes", "0.05", "--visitors", "13", "--faster", "20"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    soak = json.loads(done.stdout)
    assert soak["happened"] == {"kills": 1, "cuts of every wire": 1, "orderly ends": 1}
    assert soak["did"]["clicks"] > 0 and soak["did"]["outages"] > 0 and soak["outcomes"]["resumed"] > 0
    owed = ("lost_clicks", "lost_jobs", "wrong", "surviving_sessions", "surviving_blocks", "hooks_missed", "evicted")
    assert {name: soak[name] for name in owed if soak[name]} == {}
    assert soak["ok"], soak
