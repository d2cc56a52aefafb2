"""Does the hunter stand its ground on apps that nobody wrote for it? Public ones, fetched and looked at.

    python benchmarks/wild                    all; goes on where it was interrupted; writes benchmarks/wild/wild.md,
                                              also after Ctrl-C
    python benchmarks/wild gallery            those whose name has this in it; writes nothing

Needs uv, a network, some 2 GB, and about an hour on two cores. Everything fetched lies in `.sessionlab/wild`.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = ROOT / ".sessionlab" / "wild"


def in_its_environment() -> None:
    """Go on in an environment that has what the apps need; it is made at the first time."""
    env = FOLDER / "env"
    python = env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if Path(sys.prefix) == env:
        return
    if not (ready := env / "ready").exists():  # also after a first time that was interrupted
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        sources = tomllib.loads((HERE / "wild.toml").read_text())["source"]
        wanted = [f"{source['name']}=={source['version']}" for source in sources]
        wanted += ["-r", str(HERE / "requirements.txt"), "-e", f"{ROOT}[lab]"]
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(env)], check=True)
        subprocess.run([uv, "pip", "install", "--compile-bytecode", "--python", str(python), *wanted], check=True)
        ready.touch()
    os.execv(python, [str(python), *sys.argv])


def in_turn(apps: list) -> list:
    """One of each source after the other, so that a run that is interrupted has seen something of all."""
    sources = itertools.groupby(apps, lambda app: app.source)
    rounds = itertools.zip_longest(*[list(of_one) for _, of_one in sources])
    return [app for turn in rounds for app in turn if app is not None]


def main() -> int:
    in_its_environment()
    from gather import gather
    from look import file_of, look
    from rich.progress import track
    from table import page

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of the names of apps")
    parser.add_argument("--jobs", type=int, default=2, help="apps at a time")
    options = parser.parse_args()
    everything, results = in_turn(gather(FOLDER / "src")), FOLDER / "results"
    apps = [app for app in everything if not options.names or any(name in app.name for name in options.names)]
    with ThreadPoolExecutor(options.jobs) as pool:
        looks = [pool.submit(look, app, results) for app in apps]
        try:
            for _ in track(as_completed(looks), "Looking", len(apps)):
                pass
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
    found = [look(app, results) for app in apps if file_of(app, results).exists()]
    found.sort(key=lambda one: one["name"])
    text = page(found, len(apps), "python benchmarks/wild")
    if options.names:
        print(text)
    else:
        (HERE / "wild.md").write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
