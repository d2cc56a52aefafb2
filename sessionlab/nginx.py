"""A real nginx in front of several servers, with the configuration that is deployed.

    with serve("app.py") as one, serve("app.py") as two, Nginx("deploy/nginx.conf", [one, two]) as nginx:
        print(nginx.url)    # open this address instead of one.url

The file is written for two servers, ``app1:5006`` and ``app2:5007``. Here the real addresses stand in their places, and
what the file says of the second is said of every further one.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sessionlab.child import Child
from sessionlab.errors import InvalidOption, ServerNotReady, SessionLabError
from sessionlab.loopback import HOST, free_port

NAMES = ("one", "two", "three", "four")  # what the cookie calls the servers
# Without these lines nginx sends every request to the next server in turn, as it does by default.
ROUND_ROBIN = {"proxy_pass http://$destination;": "proxy_pass http://any;", "least_conn;": ""}


class NoNginx(SessionLabError):
    """There is no nginx on this machine."""


def find_nginx() -> str | None:
    """Where nginx is on this machine; Debian puts it where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


def configuration(text: str, addresses: Sequence[str], *, listen: str | None = None) -> str:
    """``text`` of deploy/nginx.conf for other servers: ``HOST:PORT`` each, two to four.

    Raises InvalidOption for another number, or for ports that are not all different: nginx tells the servers apart by
    them.
    """
    ports = [address.rpartition(":")[2] for address in addresses]
    if not 2 <= len(addresses) <= len(NAMES) or len(set(ports)) < len(ports):
        raise InvalidOption(
            f"deploy/nginx.conf cannot be written for {', '.join(addresses) or 'no servers'}.",
            advice=f"give 2 to {len(NAMES)} addresses HOST:PORT, each with a port of its own.",
        )
    servers = list(zip(NAMES, addresses, ports, strict=False))

    def repeat(line: str, into: Sequence[str]) -> None:
        nonlocal text
        if line not in text:
            raise InvalidOption(f"The configuration of nginx lacks the line {line.strip()!r}.")
        text = text.replace(line, "".join(into))

    first, second = (re.search(rf'^ +"~:{port} .*\n', text, re.MULTILINE) for port in ("5006", "5007"))
    if not first or not second:
        raise InvalidOption("The configuration of nginx has no map from ports to the cookie.")
    remember = first[0]
    repeat(second[0], ())
    repeat(remember, [remember.replace("5006", port).replace("=one;", f"={name};") for name, _, port in servers])
    repeat("        two     two;\n", ())
    repeat("        one     one;\n", [f"        {name:7} {name};\n" for name, _, _ in servers])

    def upstream(name: str, lines: Sequence[str]) -> str:
        head = f"    upstream {name} {{\n        zone {name} 64k;\n"
        return head + "".join(f"        {line}\n" for line in lines) + "    }\n"

    everybody = [f"server {address} max_fails=0;" for _, address, _ in servers]
    repeat("".join(f"        server app{n}:{5005 + n} max_fails=0;\n" for n in (1, 2)) + "    }\n    upstream one",
           ["".join(f"        {line}\n" for line in everybody) + "    }\n    upstream one"])  # fmt: skip
    begin, end = text.index("    upstream one {"), text.index("\n    proxy_http_version")
    homes = [
        upstream(name, [everybody[n], *(o.replace(";", " backup;") for o in everybody if o != everybody[n])])
        for n, name in enumerate(NAMES[: len(servers)])
    ]
    text = text[:begin] + "".join(homes) + text[end:]
    return text.replace("listen 8080;", f"listen {listen};") if listen else text


class Nginx:
    """nginx with ``conf`` in front of ``servers``; a context manager.

    Parameters
    ----------
    conf : deploy/nginx.conf, or a copy of it.
    servers : two to four of `sessionlab.server.Server`; they may be restarted, on their ports, while nginx runs.
    replaced : texts of the file to be replaced, such as `ROUND_ROBIN`; each must be there.

    Attributes
    ----------
    url : of the application's page through nginx; ``origin`` is http://127.0.0.1:PORT.
    log : what nginx wrote.

    Raises
    ------
    NoNginx; InvalidOption for what cannot be configured; ServerNotReady with nginx' own words. Nothing is left behind.
    """

    def __init__(self, conf: str | os.PathLike, servers: Sequence, replaced: Mapping[str, str] | None = None):
        program = find_nginx()
        if program is None:
            raise NoNginx("There is no nginx on this machine.", advice="apt-get install nginx, or brew install nginx.")
        self.port = free_port()
        text = configuration(
            Path(conf).read_text(), [f"{HOST}:{server.port}" for server in servers], listen=f"{HOST}:{self.port}"
        )
        for old, new in (replaced or {}).items():
            if old not in text:
                raise InvalidOption(f"The configuration of nginx has no {old!r} to be replaced.")
            text = text.replace(old, new)
        self.origin = f"http://{HOST}:{self.port}"
        self.url = self.origin + urlsplit(servers[0].url).path
        self._folder = Path(tempfile.mkdtemp(prefix="nginx-"))
        self._folder.chmod(0o755)  # its workers may be another user
        (self._folder / "nginx.conf").write_text(text)
        try:
            self._child = Child([program, "-p", str(self._folder), "-c", "nginx.conf", "-g", "daemon off;"])
            self.log = self._child.log
            self._wait_until_listening(time.monotonic() + 20)
        except BaseException:
            self.stop()
            raise

    def _wait_until_listening(self, deadline: float) -> None:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            if not self._child.alive or time.monotonic() > deadline:
                self.log.wait_for_end(1.0)
                raise ServerNotReady("nginx did not start.", why=self.log.tail())
            self.log.wait_for_event("exit", timeout=0.02)

    def stop(self) -> None:
        """End nginx and remove its files. May be called twice."""
        if child := getattr(self, "_child", None):
            child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Nginx {self.url}>"
