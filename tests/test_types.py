"""What the README shows is known to a type checker: functions are functions, and a session is a `Session`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parent.parent
CONFIG = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]


def checked(source: str, tmp_path: Path) -> str:
    """What mypy says of a script."""
    script = tmp_path / "script.py"
    script.write_text(source)
    said, failed, _ = api.run([*CONFIG, str(script)])
    assert not failed, failed
    return said


@pytest.mark.slow("mypy reads all that the lab imports")
def test_the_example_of_the_readme_has_types(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    body = example.replace("\nprint(", "\nreveal_type(users)\nprint(")
    said = checked(f"async def main() -> None:\n{textwrap.indent(body, '    ')}", tmp_path)
    assert "error" not in said and 'Revealed type is "sessionlab.experiments.users.Users"' in said, said


@pytest.mark.slow("mypy reads all that the lab imports")
def test_a_mistake_is_found(tmp_path):
    said = checked("from sessionlab import serve\n\nserve('app.py', lifetime='2')\nserve('app.py').prot\n", tmp_path)
    assert (
        'Argument "lifetime" to "serve" has incompatible type "str"' in said
        and '"Server" has no attribute "prot"' in said
    ), said
