"""How the application is served: lifetimes, origins, address, pings, probes, processes."""

from __future__ import annotations

from urllib.parse import urlsplit

from sessionlab.checks import reading
from sessionlab.checks.live import Bench, asked, duration
from sessionlab.client import get_page, visit
from sessionlab.client.content import has_content
from sessionlab.errors import ConnectionRefused, SessionLabError
from sessionlab.lifetimes import ATTEMPTS, MARGIN, plan
from sessionlab.programs import nothing_to_look_at
from sessionlab.server import Server

ELSEWHERE = "http://elsewhere.example"
HEALTH = ("liveness", "readyz", "healthz", "health", "livez")
PINGED = 40.0  # seconds between pings that every usual proxy bears: the strictest closes after 60
EVERY_INTERFACE = ("", "0.0.0.0", "::", "*")


async def run(bench: Bench, server: Server, built: float) -> None:
    """The checks that need no visitor's work. ``built`` are the seconds that a page took."""
    _reconnects(bench)
    _backoff(bench)
    _load(bench, built)
    _network(bench)
    if bench.flags.judged.get("--num-procs", "1") == "1":
        bench.found("server.processes", "pass", "One process serves.")
    await bench.step(["network.origin"], lambda: _origin(bench, server))
    await bench.step(["server.liveness"], lambda: _liveness(bench, server))
    await bench.step(["server.metrics"], lambda: _metrics(bench, server))


def _reconnects(bench: Bench) -> None:
    page = bench.page
    if page["hardened"]:
        bench.found("reconnect.on", "pass", "The page reconnects with sessionlab.harden.")
    elif page["tries"]:
        bench.found("reconnect.on", "pass", "The page tries to reconnect by itself.")
    elif page["prompts"]:
        bench.found("reconnect.on", "pass", "The page asks its user to click, and reconnects then.")
    else:
        said = "a notice that it is lost" if page["notifies"] else "nothing at all"
        bench.found(
            "reconnect.on",
            "fail",
            f"The page does not reconnect; its user sees {said}.",
            "pn.extension(reconnect=True, notifications=True), or sessionlab.harden.reconnect().",
        )


def _backoff(bench: Bench) -> None:
    settings, page = bench.settings, bench.page
    if not (page["tries"] or page["prompts"] or page["hardened"]):
        bench.skip(["lifetime.backoff"], "The page does not reconnect.")
        return
    kept = f"A session waits {duration(settings.lifetime)} to {duration(settings.latest)} for its page"
    met = [at for at in ATTEMPTS if at + MARGIN <= settings.lifetime]
    advice = f"panel serve {plan(ATTEMPTS[-1], 0, 0).flags}"
    if len(met) == len(ATTEMPTS):
        bench.found("lifetime.backoff", "pass", f"{kept}: longer than the last attempt, at {ATTEMPTS[-1]:g} s.")
    elif len(met) > 1:
        measured = f"{kept}: the attempts up to {met[-1]:g} s find it, the one at {ATTEMPTS[len(met)]:g} s may not."
        bench.found("lifetime.backoff", "warn", measured, advice)
    else:
        bench.found("lifetime.backoff", "fail", f"{kept}: even the second attempt may be too late.", advice)


def _load(bench: Bench, built: float) -> None:
    lifetime = bench.settings.lifetime
    took = f"The page came in {built:.2g} s; a session waits {duration(lifetime)} for its websocket"
    if lifetime < 1:
        advice = f"the flag takes milliseconds: --unused-session-lifetime {round(lifetime * 1e6)}?"
        bench.found("lifetime.load", "fail", f"{took}.", advice)
    elif lifetime < 2 * built + 2:
        bench.found("lifetime.load", "warn", f"{took}: too short for a slow network.", "choose a longer lifetime.")
    else:
        bench.found("lifetime.load", "pass", f"{took}.")


# -- the network --------------------------------------------------------------------------------------------------


def _network(bench: Bench) -> None:
    judged, settings = bench.flags.judged, bench.settings
    address = judged.get("--address", "") if settings.address is None else settings.address
    if "--unix-socket" in judged:
        bench.found("network.address", "pass", "The server listens on a socket in the file system.")
    elif address not in EVERY_INTERFACE:
        bench.found("network.address", "pass", f"The server listens on {address}.")
    elif settings.login:
        bench.found("network.address", "pass", "The server listens on every interface, and asks who comes.")
    else:
        told = f"--address {address}" if settings.address is None else f"The program's address {address}"
        how = told if address else "No address is given, so the server"
        bench.found(
            "network.address",
            "warn",
            f"{how} listens on every interface, without a login.",
            "--address 127.0.0.1, or address= in pn.serve, behind a proxy on the same machine. In a container 0.0.0.0 "
            "is right: publish its port to the proxy only.",
        )
    ping = settings.keep_alive
    if not 0 < ping <= PINGED:
        measured = f"A ping every {duration(ping)}." if ping else "No pings are sent (--keep-alive 0)."
        bench.found("network.keep_alive", "warn", measured, "leave --keep-alive at its default of 37000 ms.")
    else:
        bench.found("network.keep_alive", "pass", f"A ping every {duration(ping)}.")
    open_pages = [flag for flag in ("--admin", "--rest-session-info", "--profiler") if bench.flags.has(flag)]
    if open_pages and not settings.login:
        measured = f"{', '.join(open_pages)} without a login."
        bench.found("network.admin", "fail", measured, "serve with --basic-auth or an OAuth provider, or leave it out.")
    else:
        bench.found("network.admin", "pass", "Behind a login." if open_pages else "No such page is served.")


async def _origin(bench: Bench, server: Server) -> None:
    named = ", ".join(bench.settings.origins)
    headers, cookies = await bench.scenario.who(server.url)
    try:
        async with visit(server.url, headers={**headers, "Origin": ELSEWHERE}, cookies=cookies):
            pass
    except ConnectionRefused:
        bench.found("network.origin", "pass", f"The websocket of a page at {ELSEWHERE} was refused.")
        return
    bench.found(
        "network.origin",
        "fail",
        f"The websocket of a page at {ELSEWHERE} was accepted (allowed: {named}).",
        "bokeh_fastapi asks no websocket where it comes from: let the proxy refuse foreign ones, or see upstream/10."
        if bench.settings.fastapi
        else "name the hosts under which users reach the app: --allow-websocket-origin app.example.org",
    )


# -- probes and metrics -------------------------------------------------------------------------------------------


async def _liveness(bench: Bench, server: Server) -> None:
    names = [name for name in HEALTH if (await _get(bench, server, name)).status == 200]
    if places := reading.probes_of_the_app(bench.apps):
        bench.found(
            "server.liveness",
            "fail",
            f"A deployment file probes the app itself: {reading.listed(places, 2)}.",
            "ask for the bare page: /liveness without ?endpoint=.",
        )
    elif not names:
        bench.found(
            "server.liveness",
            "warn",
            "There is no page for a health check: a probe would have to ask for the app itself.",
            "panel serve --liveness, and let the probe ask for /liveness. sessionlab.harden.metrics adds /readyz.",
        )
    else:
        bare = (await _get(bench, server, names[0])).seconds
        measured = f"/{names[0]} answers in {1000 * bare:.0f} ms"
        if names[0] == "liveness":
            route = next(iter(server.urls))
            whole = (await _get(bench, server, f"liveness?endpoint={route}")).seconds
            measured += f"; with ?endpoint={route}, which runs the app, in {1000 * whole:.0f} ms"
        bench.found("server.liveness", "pass", f"{measured}.")


async def _metrics(bench: Bench, server: Server) -> None:
    if (await _get(bench, server, "metrics")).status == 200:
        bench.found("server.metrics", "pass", "/metrics answers.")
    elif told := [f for f in ("--admin", "--rest-session-info", "--mem-log-frequency") if bench.flags.has(f)]:
        bench.found("server.metrics", "pass", f"{', '.join(told)} tells about sessions or memory.")
    else:
        advice = "panel serve --plugins sessionlab.harden.metrics adds /metrics for Prometheus."
        bench.found("server.metrics", "warn", "No page tells about sessions and memory.", advice)


async def _get(bench: Bench, server: Server, name: str):
    url = f"{server.origin}{bench.settings.prefix}/{name}"
    headers, cookies = await bench.scenario.who(server.url)
    return await get_page(url, headers=headers, cookies=cookies, timeout=15)


# -- several processes --------------------------------------------------------------------------------------------

VISITS = 8


async def several_processes(bench: Bench) -> None:
    """Visit the app as it is served with ``--num-procs``, and count how often the script runs."""
    number = bench.flags.judged["--num-procs"]
    advice = "one process in each container or service, and a proxy with a cookie in front of them."
    try:
        server = await asked(bench.serve, flags=["--num-procs", number, *bench.flags.served])
    except SessionLabError as error:
        bench.found("server.processes", "fail", f"--num-procs {number} could not be served: {error.what}", advice)
        return
    with server:
        await asked(server.probe.reset)
        for _ in range(VISITS):
            session = await bench.visit(server.url)
            await session.close()
        runs = (await asked(server.probe.timeline)).count("created")
    measured = f"--num-procs {number}: {VISITS} visits ran the script {runs} times."
    bench.found("server.processes", "fail", measured, advice)


async def first_visit(bench: Bench, server: Server) -> tuple[dict, float]:
    """What the server told the first visitor's page, and the seconds that it took to build it."""
    session = await bench.visit(server.url)
    try:
        if not await has_content(session):
            raise nothing_to_look_at(urlsplit(server.url).path, bench.apps)
        documents = (await asked(server.probe.ask, "GET", "documents"))["documents"]
        page = next((doc for doc in documents if doc["id"] == session.id), None)
        events = (await asked(server.probe.timeline)).events
        built = [e["seconds"] for e in events if e["event"] == "created" and e["id"] == session.id]
    finally:
        await session.close()
    return page or documents[-1], max([*built, session.timings.page])
