"""This machine's own address, and its ports: no server of the lab listens elsewhere."""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

HOST = "127.0.0.1"


def free_port() -> int:
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def port_is_free(port: int) -> bool:
    """Whether nothing listens on loopback port ``port``."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


class _StaysHere(urllib.request.HTTPRedirectHandler):
    """Follows a redirect on this machine; one to an identity provider elsewhere is an answer."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(newurl).hostname != HOST:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """What asks for pages of this machine: no proxy of the environment stands between."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _StaysHere)
