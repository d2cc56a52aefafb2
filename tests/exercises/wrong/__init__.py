"""Wrong attempts, by exercise, and what the reader is told about each; and what is said about the untouched stub."""

import importlib
from pathlib import Path

CHAPTERS = [importlib.import_module(f"{__name__}.{path.stem}") for path in sorted(Path(__file__).parent.glob("ch*.py"))]

WRONG = {name: attempts for chapter in CHAPTERS for name, attempts in chapter.WRONG.items()}
STUBS = {name: reason for chapter in CHAPTERS for name, reason in chapter.STUBS.items()}
