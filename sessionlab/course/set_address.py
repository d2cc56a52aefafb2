"""Say where the course lives: `make address URL=https://github.com/me/sessions` rewrites every link to it.

The address stands in `sessionlab/address.py`, and in files that cannot ask it: the README with Binder's badge, the
package's metadata, the citation, the list of claims.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sessionlab import address
from sessionlab.course.catalogue import ROOT
from sessionlab.errors import InvalidOption, SessionLabError

FILES = ("README.md", "CITATION.cff", "pyproject.toml", "data/claims.toml", "sessionlab/address.py")
HINT = " (the address is an example, until `make address` has set yours)"  # in the README


def set_address(url: str, root: Path = ROOT) -> list[str]:
    """Let every link lead to the repository at ``url``; returns the files that have changed.

    Raises InvalidOption if that is no address of a repository on GitHub, which is what Binder's badge is made for.
    """
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", url)
    if not found:
        raise InvalidOption(f"{url!r} is no repository.", advice="give it as https://github.com/OWNER/NAME.")
    owner, name = found.groups()
    old_owner, old_name = address.HOME.split("/")[-2:]
    changed = []
    for file in FILES:
        path = root / file
        text = before = path.read_text("utf-8")
        text = text.replace(f"{old_owner}/{old_name}", f"{owner}/{name}").replace(f"cd {old_name}\n", f"cd {name}\n")
        text = text.replace(HINT, "")
        if text != before:
            path.write_text(text, "utf-8")
            changed.append(file)
    return changed


def main() -> int:
    try:
        changed = set_address(sys.argv[1] if len(sys.argv) > 1 else "")
    except SessionLabError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(changed) or "It is that address already.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
