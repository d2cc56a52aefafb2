"""The command ``sessionlab``, and ``python -m sessionlab``: it says what to install where the lab is not."""

import sys


def main() -> None:
    """Run the command line. Exit code 3 where what it needs is not installed."""
    try:
        from sessionlab.cli import main as command
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "sessionlab":
            raise
        print(
            f"The command sessionlab needs {missing.name}, which is not installed.\n"
            "The base of sessionlab is only what applications import: sessionlab.harden.\n"
            'What to do: pip install "sessionlab[lab]"',
            file=sys.stderr,
        )
        sys.exit(3)
    command()


if __name__ == "__main__":
    main()
