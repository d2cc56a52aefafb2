"""deploy/: the nginx configuration is run with a real nginx, the rest is validated, run in part, and kept in step."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import psutil
import pytest
import yaml
from bokeh.server.tornado import DEFAULT_KEEP_ALIVE_MS
from prometheus_client.parser import text_string_to_metric_families
from redis import asyncio as redis
from tornado.httpclient import AsyncHTTPClient

from sessionlab import serve, visit
from sessionlab.errors import InvalidOption, VisitFailed
from sessionlab.harden import SessionLimits
from sessionlab.loopback import free_port
from sessionlab.nginx import ROUND_ROBIN, Nginx, configuration, find_nginx

pytestmark = pytest.mark.usefixtures("preloaded")

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
LIVE = 4  # sessions that each of the two servers admits


# -- nginx in front of two servers -----------------------------------------------------------------------------------


@contextlib.contextmanager
def running_nginx(*servers, **replaced: str):
    """The address of nginx with deploy/nginx.conf in front of ``servers``; ``replaced`` changes texts in it."""
    with Nginx(DEPLOY / "nginx.conf", servers, replaced) as nginx:
        yield nginx.origin


def test_the_file_that_is_run_is_the_file_that_is_deployed():
    text = (DEPLOY / "nginx.conf").read_text()
    assert configuration(text, ["app1:5006", "app2:5007"]) == text
    four = configuration(text, [f"127.0.0.1:{port}" for port in (1, 2, 3, 4)], listen="127.0.0.1:9")
    assert four.count("server 127.0.0.1:3 max_fails=0;") == 2  # for everybody, and for those at home there
    assert four.count("server 127.0.0.1:3 max_fails=0 backup;") == 3
    assert "=three; " in four and "listen 127.0.0.1:9;" in four and "app" not in re.sub("#.*|application", "", four)


@pytest.mark.parametrize("ports", [[1], [1, 2, 3, 4, 5], [1, 1]])
def test_the_file_is_written_for_two_to_four_servers(ports):
    with pytest.raises(InvalidOption):
        configuration((DEPLOY / "nginx.conf").read_text(), [f"127.0.0.1:{port}" for port in ports])


@pytest.fixture(scope="module")
def needs_nginx():
    if find_nginx() is None:
        assert not os.environ.get("CI"), "CI needs Debian's nginx: apt-get install nginx"
        pytest.skip("there is no nginx on this machine: apt-get install nginx")


def production(env: dict[str, str] | None = None, **options):
    """deploy/app.py under deploy/production.py, as in the container."""
    environment = {"PYTHONPATH": str(DEPLOY), "SESSIONS_LIVE": str(LIVE), "BOKEH_SECRET_KEY": "shared"} | (env or {})
    return serve(
        DEPLOY / "app.py", panel_args=["--plugins", "production", "--use-xheaders"], env=environment, **options
    )


@pytest.fixture(scope="module")
def servers():
    """Two servers that ping every 0.7 s and keep a session for longer than any test."""
    with ThreadPoolExecutor() as pool:
        servers = [pool.submit(production, lifetime=600, check=0.2, keep_alive=0.7) for _ in range(2)]
    with servers[0].result() as first, servers[1].result() as second:
        yield first, second


@pytest.fixture
def pair(needs_nginx, servers):
    return servers


async def get(url: str, **headers: str) -> tuple[int, str]:
    answer = await AsyncHTTPClient().fetch(url, headers=headers, raise_error=False)
    return answer.code, answer.body.decode()


async def counted(server) -> dict[str, float]:
    _, text = await get(f"{server.origin}/metrics")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join([s.name, *s.labels.values()]): s.value for s in samples if "le" not in s.labels}


async def sums(servers, name: str) -> float:
    return sum([(await counted(server)).get(name, 0) for server in servers])


def told(session) -> bool:
    """Whether the page shows that its server is about to end."""
    return any("about to restart" in str(model.attributes.get("text")) for model in session.models.values())


@pytest.mark.server
async def test_a_visitor_sticks_to_the_server_that_has_answered(pair):
    built = await sums(pair, "sessionlab_sessions_created_total")
    with running_nginx(*pair) as address:
        visitors = [await visit(f"{address}/app") for _ in range(4)]
        assert await sums(pair, "sessionlab_sessions_created_total") == built + 4  # no page was built twice
        assert [s.page.cookies["server"] for s in visitors] == ["one", "two"] * 2  # by the number of open pages
        for number, visitor in enumerate(visitors):
            for count in range(1, number + 2):
                await visitor.click("add one")
                await visitor.wait_for("count", value=count)  # of clicks that overlap, Panel may keep one back
            await visitor.drop()
        for number, visitor in enumerate(visitors):
            await visitor.reconnect()
            assert visitor.value("count") == number + 1
            await visitor.close()
        assert await sums(pair, "sessionlab_reconnects_total restarted") == 0
        assert await sums(pair, "sessionlab_reconnects_total resumed") == 4
        for visitor in visitors:  # a further tab of the same browser
            async with visit(f"{address}/app", cookies=visitor.page.cookies) as again:
                assert again.page.cookies["server"] == visitor.page.cookies["server"]


@pytest.mark.server
async def test_round_robin_loses_the_state(pair):
    """The same nginx without the cookie: every page is built in both servers, and a reconnect finds the other one."""
    restarted = await sums(pair, "sessionlab_reconnects_total restarted")
    with running_nginx(*pair, **ROUND_ROBIN) as address:
        for _ in range(2):
            async with visit(f"{address}/app") as visitor:
                await visitor.click("add one")
                await visitor.wait_for("count", value=1)
                await visitor.drop()
                await visitor.reconnect()
                assert visitor.value("count") == 0
    assert await sums(pair, "sessionlab_reconnects_total restarted") == restarted + 2


@pytest.mark.server
async def test_pings_keep_an_idle_websocket_open_if_the_timeout_is_longer(pair):
    def waiting(time: str) -> dict[str, str]:
        here = "location / {"
        return {here: f"location ~ /ws$ {{ proxy_read_timeout {time}; proxy_pass http://$destination; }} {here}"}

    with running_nginx(*pair, **waiting("4s")) as address:
        async with visit(f"{address}/app") as visitor:
            with pytest.raises(VisitFailed, match=r"did not come in 4\.8"):
                await visitor.wait_for(lambda session: session.closed, timeout=4.8)
    with running_nginx(*pair, **waiting("350ms")) as address:
        visitor = await visit(f"{address}/app")
        await visitor.wait_for(lambda session: session.closed, timeout=60)


@pytest.mark.server
async def test_a_full_server_passes_newcomers_on_and_keeps_its_own(pair):
    async def fill(name: str) -> list:
        """Visit one server until somebody is sent to the other one, or away. (The page of serve() may take a place.)"""
        visitors = []
        while len(visitors) <= LIVE and (not visitors or visitors[-1].page.cookies["server"] == name):
            with contextlib.suppress(VisitFailed):
                visitors.append(await visit(f"{address}/app", cookies={"server": name}))
                continue
            break
        return visitors

    with running_nginx(*pair) as address:
        *at_home, newcomer = await fill("one")
        assert LIVE - 1 <= len(at_home) <= LIVE
        assert newcomer.page.cookies["server"] == "two"
        await newcomer.click("add one")  # his websocket has found the session there
        await newcomer.wait_for("count", value=1)
        await at_home[0].click("add one")
        await at_home[0].drop()
        await at_home[0].reconnect()
        assert at_home[0].value("count") == 1  # the refusal has not turned away who is at home

        others = await fill("two")
        answer = await AsyncHTTPClient().fetch(f"{address}/app", raise_error=False)
        assert answer.code == 503 and "The application is full" in answer.body.decode()
        assert "Set-Cookie" not in answer.headers
        for visitor in [*at_home, newcomer, *others]:
            await visitor.close()


@pytest.mark.server
async def test_what_is_not_for_visitors_stays_inside(pair):
    with running_nginx(*pair) as address:
        assert (await get(f"{address}/metrics"))[0] == (await get(f"{address}/readyz"))[0] == 403
        answer = await AsyncHTTPClient().fetch(f"{address}/static/js/bokeh.min.js")
        assert len(answer.body) > 100_000 and "Set-Cookie" not in answer.headers


@pytest.mark.server
async def test_a_draining_server_hands_its_visitors_over(pair):
    first = pair[0]
    with running_nginx(*pair) as address:
        visitor = await visit(f"{address}/app", cookies={"server": "one"})
        first.kill(signal.SIGTERM)
        await visitor.wait_for(told, timeout=60)
        assert await get(f"{first.origin}/readyz") == (503, '{"ready": false}')
        assert (await counted(first))["sessionlab_draining"] == 1
        async with visit(f"{address}/app", cookies={"server": "one"}) as newcomer:
            assert newcomer.page.cookies["server"] == "two"
        assert not visitor.closed
        await visitor.wait_for(lambda session: session.closed, timeout=60)
        await visitor.reconnect()  # a new session of the old page, with its old token
        assert visitor.page.cookies["server"] == "two"  # where it will look for it next time
        await visitor.click("add one")
        await visitor.wait_for("count", value=1)
        await visitor.close()
        assert await asyncio.to_thread(first.wait, 60) == 0
        assert first.log.matching("^session .* has ended")
        async with visit(f"{address}/app", cookies={"server": "one"}) as late:  # nobody listens at the first one now
            assert late.page.cookies["server"] == "two"


def test_the_timeouts_have_room_for_the_pings():
    conf = (DEPLOY / "nginx.conf").read_text()
    ingress = kubernetes("ingress")["metadata"]["annotations"]
    ping = DEFAULT_KEEP_ALIVE_MS / 1000
    assert ping == 37
    for side in ("read", "send"):
        assert int(re.search(rf"proxy_{side}_timeout (\d+)s;", conf)[1]) >= 1.5 * ping
        assert int(ingress[f"nginx.ingress.kubernetes.io/proxy-{side}-timeout"]) >= 1.5 * ping


# -- the container ---------------------------------------------------------------------------------------------------


def dockerfile() -> dict[str, list[str]]:
    """The instructions of the Dockerfile by name, continuation lines joined and comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    instructions: dict[str, list[str]] = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            instructions.setdefault(name, []).append(rest.strip())
    return instructions


def test_the_image_is_pinned_and_not_root():
    instructions = dockerfile()
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+", instructions["FROM"][0])
    assert instructions["USER"] == ["10001"] and json.loads(instructions["ENTRYPOINT"][0])[0] == "tini"
    assert any("--require-hashes" in run for run in instructions["RUN"])
    for copied in instructions["COPY"]:
        *sources, _ = copied.split()
        assert all((ROOT / source).exists() for source in sources)
    images = {service.get("image") for service in compose()["services"].values()}
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images - {"panel-app"})


def test_what_the_image_installs_is_what_is_tested_here():
    pin = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
    locked = {(name, version) for name, version in pin.findall((ROOT / "requirements.lock").read_text())}
    installed = set(pin.findall((DEPLOY / "requirements.txt").read_text()))
    assert installed - locked == set()
    assert {"panel", "bokeh", "tornado", "prometheus-client", "redis"} <= {name for name, _ in installed}


def copy_as_the_image_does(folder: Path) -> dict[str, list[str]]:
    instructions = dockerfile()
    for copied in instructions["COPY"]:
        *sources, target = copied.split()
        for source in map(ROOT.__truediv__, sources):
            place = folder / target / (source.name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    return instructions


@pytest.mark.server
def test_what_the_image_copies_needs_nothing_of_the_lab(tmp_path):
    copy_as_the_image_does(tmp_path)
    tried = "import sessionlab.agent.retainers, sessionlab.harden.stores; print(sessionlab.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", tried]
    alone = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert alone.stdout.startswith(str(tmp_path)), alone.stderr


@pytest.mark.slow("the start that the image has, with its waits")
@pytest.mark.server
async def test_the_command_and_the_health_check_of_the_image_work(tmp_path):
    """As in the container: the files that it copies, its environment, its command; only without the container."""
    instructions = copy_as_the_image_does(tmp_path)
    environment = dict(pair.split("=") for pair in shlex.split(instructions["ENV"][0]))
    port = environment["PORT"] = str(free_port())
    token = environment["SESSIONLAB_TOKEN"] = "a token of this test, and long enough"
    environment["SESSIONLAB_STORE"] = str(tmp_path / "state")
    environment["PYTHONPATH"] = str(tmp_path)  # what was copied, and not what is tested elsewhere
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    shell, flag, command = json.loads(instructions["CMD"][0])
    command = command.replace("0.0.0.0", "127.0.0.1")
    check = instructions["HEALTHCHECK"][0].partition("CMD ")[2]
    container = await asyncio.create_subprocess_exec(
        shell, flag, command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )

    async def healthy() -> bool:
        silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return await (await asyncio.create_subprocess_shell(check, env=environment, **silent)).wait() == 0

    try:
        assert not await healthy()  # it has not started yet
        async with asyncio.timeout(200):
            while True:
                if await healthy():
                    break
        assert (await get(f"http://127.0.0.1:{port}/liveness"))[0] == 200
        hello = f"http://127.0.0.1:{port}/_sessionlab/hello"
        assert [(await get(hello, **sent))[0] for sent in ({}, {"X-Sessionlab-Token": token})] == [403, 200]
        async with visit(f"http://127.0.0.1:{port}/app") as visitor:
            container.terminate()
            await visitor.wait_for(told, timeout=60)
            assert not await healthy()  # while it drains
            output, _ = await asyncio.wait_for(container.communicate(), 100)
        assert container.returncode == 0, output.decode()
        assert b"has ended" in output
    finally:
        with contextlib.suppress(ProcessLookupError):
            container.kill()


# -- numbers that must fit together ------------------------------------------------------------------------------------


def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def kubernetes(name: str) -> dict:
    return yaml.safe_load((DEPLOY / "kubernetes" / f"{name}.yaml").read_text())


def drain_grace() -> float:
    return float(re.search(r"drain\(grace=(\d+)", (DEPLOY / "production.py").read_text())[1])


def size(text: str) -> int:
    """Bytes; Docker and Kubernetes each write the binary units in their own way."""
    return SessionLimits(memory=re.sub(r"([gG])(i?)$", "GiB", text)).memory


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("path", sorted((DEPLOY / "kubernetes").rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_manifests_are_valid(path, version):
    for manifest in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validator_sees_what_it_looks_for():
    manifest = kubernetes("deployment")
    manifest["spec"]["template"]["spec"]["terminationGracePeriod"] = 30  # …Seconds
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_manifests_belong_together():
    pod = kubernetes("deployment")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"]
    for selector in (
        kubernetes("deployment")["spec"]["selector"]["matchLabels"],
        kubernetes("service")["spec"]["selector"],
        kubernetes("poddisruptionbudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    (service_port,) = kubernetes("service")["spec"]["ports"]
    assert service_port["targetPort"] == container["ports"][0]["name"]
    environment = dict(pair.split("=") for pair in shlex.split(dockerfile()["ENV"][0]))
    assert str(container["ports"][0]["containerPort"]) == environment["PORT"] == dockerfile()["EXPOSE"][0]
    (rule,) = kubernetes("ingress")["spec"]["rules"]
    for path in rule["http"]["paths"]:
        backend = path["backend"]["service"]
        assert (backend["name"], backend["port"]["name"]) == ("panel-app", service_port["name"])
        assert not "/metrics".startswith(path["path"]) and not "/readyz".startswith(path["path"])
    assert kubernetes("ingress")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/affinity"] == "cookie"
    origin = next(each["value"] for each in container["env"] if each["name"] == "BOKEH_ALLOW_WS_ORIGIN")
    assert origin == rule["host"] and "*" not in origin
    for probe, path in (("startup", "/readyz"), ("readiness", "/readyz"), ("liveness", "/liveness")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}


def test_nobody_kills_before_the_server_has_drained():
    pod = kubernetes("deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > drain_grace()
    for name in ("app1", "app2"):
        assert float(compose()["services"][name]["stop_grace_period"].removesuffix("s")) > drain_grace()


def test_the_memory_limit_of_the_sessions_is_below_that_of_the_container():
    text = re.search(r'"SESSIONS_MEMORY", "([^"]+)"', (DEPLOY / "production.py").read_text())[1]
    (container,) = kubernetes("deployment")["spec"]["template"]["spec"]["containers"]
    line = next(each["value"] for each in container["env"] if each["name"] == "SESSIONS_MEMORY")
    assert size(text) == size(line) <= 0.8 * size(container["resources"]["limits"]["memory"])
    service = compose()["services"]["app1"]
    assert size(text) <= 0.8 * size(service["mem_limit"]) and service["mem_limit"] == service["memswap_limit"]


def test_compose_nginx_and_prometheus_know_the_servers_by_the_same_names():
    services = compose()["services"]
    default = dict(pair.split("=") for pair in shlex.split(dockerfile()["ENV"][0]))["PORT"]
    names = {f"{name}:{services[name]['environment'].get('PORT', default)}" for name in ("app1", "app2")}
    conf = (DEPLOY / "nginx.conf").read_text()
    assert set(re.findall(r"server (app\d:\d+)", conf)) == names
    assert set(re.findall(r'"~(:\d+) ', conf)) == {name[4:] for name in names}
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    assert set(scraped[0]["static_configs"][0]["targets"]) == names
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
    for service in services.values():
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert not source.startswith(".") or (DEPLOY / source).exists()
    allowed = services["app1"]["environment"]["BOKEH_ALLOW_WS_ORIGIN"]
    assert "*" not in allowed


# -- what persist keeps ------------------------------------------------------------------------------------------------


def test_both_servers_of_compose_share_the_volume_that_the_image_has_made():
    services = compose()["services"]
    store = dict(pair.split("=") for pair in shlex.split(dockerfile()["ENV"][0]))["SESSIONLAB_STORE"]
    assert any(f"install --directory --owner app --mode 700 {store}" in run for run in dockerfile()["RUN"])
    for name in ("app1", "app2"):
        (volume,) = services[name]["volumes"]
        assert volume == f"state:{store}" and volume.partition(":")[0] in compose()["volumes"]
        assert services[name]["environment"]["SESSIONLAB_STORE"] == f"${{SESSIONLAB_STORE:-{store}}}"


def test_redis_is_asked_for_and_published_nowhere():
    redis = compose()["services"]["redis"]
    assert redis["profiles"] == ["redis"] and "ports" not in redis
    assert redis["volumes"] == ["redis:/data"] and "redis" in compose()["volumes"]


def test_the_pods_find_the_redis_that_is_deployed():
    stateful, service, policy = yaml.safe_load_all((DEPLOY / "kubernetes" / "redis" / "redis.yaml").read_text())
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    assert stateful["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    assert policy["spec"]["podSelector"]["matchLabels"] == labels
    (allowed,) = policy["spec"]["ingress"][0]["from"]
    pod = kubernetes("deployment")["spec"]["template"]
    assert allowed["podSelector"]["matchLabels"] == pod["metadata"]["labels"]
    (container,) = pod["spec"]["containers"]
    (key,) = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if each["name"] == "SESSIONLAB_STORE"]
    said = (DEPLOY / "kubernetes" / "redis" / "redis.yaml").read_text().partition("apiVersion")[0]
    assert f"generic {key['name']} " in said and f"--from-literal={key['key']}=redis://:$password@" in said
    assert f"@{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/" in said
    (image,) = [each["image"] for each in stateful["spec"]["template"]["spec"]["containers"]]
    assert image == compose()["services"]["redis"]["image"]


def test_the_token_of_the_agent_comes_from_a_secret_and_may_be_missing():
    (container,) = kubernetes("deployment")["spec"]["template"]["spec"]["containers"]
    (token,) = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if each["name"] == "SESSIONLAB_TOKEN"]
    assert token == {"name": "panel-app", "key": "agent-token", "optional": True}
    readme = (DEPLOY / "README.md").read_text()
    assert f"patch secret {token['name']} " in readme and f'{{\\"{token["key"]}\\":' in readme
    paths = kubernetes("ingress")["spec"]["rules"][0]["http"]["paths"]
    assert not any("/_sessionlab".startswith(path["path"]) for path in paths)  # by port-forward only


async def kept_by(process: asyncio.subprocess.Process, port: int, password: str) -> tuple[bytes | None, dict]:
    """What a Redis that has just started holds of one key; then it is given another value, and what it is told."""
    while b"Ready to accept connections" not in await asyncio.wait_for(process.stdout.readline(), 20):
        pass
    async with redis.Redis(port=port, password=password) as client:
        before = await client.get("key")
        await client.set("key", b"value")
        return before, await client.config_get("maxmemory*")


@pytest.mark.server
@pytest.mark.parametrize("where", ["compose", "kubernetes"])
async def test_the_redis_that_is_deployed_has_a_password_a_journal_and_a_bound(tmp_path, where):
    """Its command, with folder and port replaced; twice, as after a restart."""
    if not shutil.which("redis-server"):
        assert not os.environ.get("CI"), "CI needs Debian's redis-server: apt-get install redis-server"
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    port, password = free_port(), "a" * 64
    (tmp_path / "redis.conf").write_text(f"requirepass {password}\n")
    if where == "compose":
        command = [word.replace("$$", "$") for word in compose()["services"]["redis"]["command"]]
        command[-1] = command[-1].replace("dir /data", f"dir {tmp_path}\nport {port}\nbind 127.0.0.1")
    else:
        stateful = next(yaml.safe_load_all((DEPLOY / "kubernetes" / "redis" / "redis.yaml").read_text()))
        (container,) = stateful["spec"]["template"]["spec"]["containers"]
        command = [w.replace("/etc/redis", str(tmp_path)).replace("/data", str(tmp_path)) for w in container["args"]]
        command += ["--port", str(port), "--bind", "127.0.0.1"]
    seen = []
    for _ in range(2):
        environment = {**os.environ, "REDIS_PASSWORD": password}
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE)
        try:
            seen.append(await kept_by(process, port, password))
            assert password not in " ".join(psutil.Process(process.pid).cmdline())
            with pytest.raises(redis.AuthenticationError):
                async with redis.Redis(port=port) as stranger:
                    await stranger.get("key")
        finally:
            process.terminate()
            await process.wait()
    bound = {"maxmemory": str(256 * 2**20), "maxmemory-policy": "noeviction"}
    assert [before for before, _ in seen] == [None, b"value"]
    assert all(bound.items() <= settings.items() for _, settings in seen)


# -- monitoring ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(servers) -> set[str]:
    """The names of all series of a server in production."""
    return set(asyncio.run(series(servers[1])))


async def series(server) -> list[str]:
    async with visit(server.url):
        _, text = await get(f"{server.origin}/metrics")
    return [sample.name for family in text_string_to_metric_families(text) for sample in family.samples]


METRIC = re.compile(r"\b(?:sessionlab|process|python)_\w+")


@pytest.mark.server
def test_the_alerts_ask_for_metrics_that_exist(exported):
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    assert len(rules) > 5
    for rule in rules:
        asked = re.sub("|".join(recorded), "", rule["expr"])
        assert METRIC.findall(asked) or recorded & set(re.findall(r"[\w:]+", rule["expr"]))
        assert set(METRIC.findall(asked)) <= exported


@pytest.mark.server
def test_the_dashboard_asks_for_metrics_that_exist(exported):
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "sessions.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 10
    for expression in expressions:
        assert METRIC.findall(expression) and set(METRIC.findall(expression)) <= exported


@pytest.fixture(scope="module")
def needs_prometheus():
    if not shutil.which("promtool"):
        assert not os.environ.get("CI"), "CI needs Debian's prometheus: apt-get install prometheus"
        pytest.skip("there is no prometheus on this machine: apt-get install prometheus")


@pytest.mark.server
@pytest.mark.parametrize(
    "command",
    ["check config prometheus.yaml", "check rules alerts.yaml", "test rules alerts_test.yaml"],
)
def test_prometheus_agrees(needs_prometheus, command):
    done = subprocess.run(
        ["promtool", *command.split()], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server
async def test_a_prometheus_scrapes_a_server(needs_prometheus, servers, tmp_path):
    """With the files that are deployed; only the address is replaced, and the pause between two looks."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{servers[1].port}"]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    shutil.copy(DEPLOY / "prometheus" / "alerts.yaml", tmp_path)
    port = free_port()
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(*command, **silent)

    async def asked(path: str) -> dict:
        with contextlib.suppress(OSError):  # it has not started yet
            status, text = await get(f"http://127.0.0.1:{port}/api/v1/{path}")
            return json.loads(text)["data"] if status == 200 else {}
        return {}

    try:
        async with visit(servers[1].url), asyncio.timeout(60):
            while not (await asked("query?query=sessionlab_sessions_live>0")).get("result"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        (group,) = (await asked("rules"))["groups"]
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
        assert any(rule["health"] == "ok" for rule in group["rules"])
    finally:
        process.terminate()
        await process.wait()
