"""Where the course lives: the one place from which the package makes its links. `make address URL=…` changes it."""

HOME = "https://github.com/panel-session-course/panel-session-course"


def page(path: str) -> str:
    """The address of a file of the course, such as ``notebooks/02_reconnect.ipynb``."""
    return f"{HOME}/blob/HEAD/{path}"
