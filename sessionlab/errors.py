"""Every error that the lab raises: what happened, why, and what to do next."""

from __future__ import annotations


class SessionLabError(Exception):
    """Base of the tree.

    Parameters
    ----------
    what : one sentence: what happened.
    why : the reason, or the evidence (a traceback, the last log lines); may be empty.
    advice : what to do next; may be empty.
    """

    def __init__(self, what: str, *, why: str = "", advice: str = ""):
        super().__init__(what)
        self.what, self.why, self.advice = what, why, advice

    def __str__(self) -> str:
        parts = [self.what]
        if self.why:
            parts.append(self.why.rstrip())
        if self.advice:
            parts.append(f"What to do: {self.advice}")
        return "\n".join(parts)


class AppNotFound(SessionLabError, FileNotFoundError):
    """There is no application under that name."""


class UnknownOption(SessionLabError, TypeError):
    """An option that the lab does not know; Panel would swallow some of these without a word."""


class InvalidOption(SessionLabError, ValueError):
    """A known option with a value that the server would refuse."""


class PortTaken(SessionLabError, OSError):
    """The port that was asked for is in use."""


class AppFailed(SessionLabError):
    """The application raised while it was loaded; ``why`` holds its own traceback."""


class ServerNotReady(SessionLabError):
    """The server ended, or did not answer, before it was ready."""


class ServerGone(SessionLabError):
    """The server that was asked has ended."""


class VisitFailed(SessionLabError):
    """A visit could not be made or did not see what it waited for in time."""


class ErrorReply(VisitFailed):
    """The server replied with an error, as it does when a callback of the application raises."""


class NeedsCredentials(VisitFailed):
    """The page asks who comes."""


class ConnectionRefused(VisitFailed):
    """The server closed or refused the websocket, for instance because the token has aged."""


class OutageClosed(SessionLabError, RuntimeError):
    """The `Outage` that was asked is closed."""


class NoBrowser(SessionLabError):
    """There is no Chromium to drive."""


class WrongBrowserPath(NoBrowser):
    """``CHROME_PATH`` names something that cannot be run: never passed over for another browser."""


class NoProbe(SessionLabError):
    """The server has no probe that would answer this lab."""


class ProbeSilent(SessionLabError, TimeoutError):
    """The probe did not answer in time: the server's event loop is busy or the process is stopped."""


class ProbeFailed(SessionLabError):
    """The probe answered with an error; ``why`` holds its traceback."""


class SessionNotFound(SessionLabError, LookupError):
    """The server has no session of that id (any more)."""
