"""Who is there: forms, HTTP Basic, headers, cookies; and no secret where somebody could read it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from sessionlab import serve
from sessionlab.cli_run import who_visits
from sessionlab.client.cookies import Cookies
from sessionlab.client.login import Login, _Form
from sessionlab.client.page import Page
from sessionlab.client.scenario import Scenario
from sessionlab.errors import InvalidOption, NeedsCredentials

SECRET = "correct horse"
APP = """
    import panel as pn

    pn.extension()
    request = pn.state.curdoc.session_context.request
    name = request.headers.get("X-Forwarded-User") or request.cookies.get("who") or pn.state.user
    pn.widgets.StaticText(name="who", value=name).servable()
"""
BASIC = """
    import secrets

    from bokeh.models import Div
    from bokeh_fastapi import BokehFastAPI
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.security import HTTPBasic

    def known(given=Depends(HTTPBasic())):
        if not secrets.compare_digest(given.password, "correct horse"):
            raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})

    def page(doc):
        doc.add_root(Div(text="inside"))

    api = FastAPI()
    server = BokehFastAPI({"/page": page}, app=api)
    route = next(route for route in api.routes if route.path == "/page")
    api.router.routes.remove(route)
    api.add_api_route("/page", route.endpoint, dependencies=[Depends(known)])
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def file(name, text):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return str(tmp_path / name)

    return file


def page(text, status=200, **headers):
    return Page("http://127.0.0.1/app/login", status, headers, Cookies("http://127.0.0.1/"), text, 0.1)


# -- without a server ---------------------------------------------------------------------------------------------


def test_the_form_with_a_password_is_filled_in_and_its_hidden_fields_go_along():
    form = _Form.of(
        page("""
        <form action="/search"><input name="q"><input type="hidden" name="s" value="1"></form>
        <form action="./enter" method="post"><input type="hidden" name="_xsrf" value="x">
        <input name="mail" type="email"><input type="checkbox" name="stay"><input type="password" name="pw">
        </form><input name="later">""")
    )
    assert form.action == "./enter"
    assert form.filled("ann", SECRET) == {"_xsrf": "x", "mail": "ann", "pw": SECRET}
    assert _Form.of(page("<form><input name='q'></form>")) is None


def test_a_login_is_read_and_never_shown():
    login = Login.read(f"ann:{SECRET}:x\n")
    assert (login.user, login.password) == ("ann", f"{SECRET}:x")
    assert SECRET not in repr(Scenario(login=login, headers={"A": SECRET}, cookies={"b": SECRET}))
    for wrong in (SECRET, f":{SECRET}", ""):
        with pytest.raises(InvalidOption, match="login cannot be read") as error:
            Login.read(wrong)
        assert SECRET not in str(error.value)


def test_the_options_say_who_comes(tmp_path):
    file = tmp_path / "login.txt"
    file.write_text(f"ann:{SECRET}\n")
    made = who_visits(["/orders"], None, file, ["X-User: ann : x"], ["a=b=c"])()
    assert made.pages == ("/orders",) and made.login == Login("ann", SECRET) and made.says_who
    assert (made.headers, made.cookies) == ({"X-User": "ann : x"}, {"a": "b=c"})
    assert not who_visits()().says_who
    for wrong in ({"header": ["X-User"]}, {"cookie": [f"={SECRET}"]}, {"login_file": tmp_path / "none"}):
        with pytest.raises(InvalidOption) as error:
            who_visits(**wrong)()
        assert SECRET not in str(error.value)


def test_a_scenario_file_may_say_it(tmp_path):
    file = tmp_path / "way.py"
    file.write_text(f"pages = ['/a', '/b']\nlogin = 'ann:{SECRET}'\n")
    made = Scenario.load(file)
    assert made.pages == ("/a", "/b") and made.login == Login("ann", SECRET)
    assert made.urls({"/x": "http://127.0.0.1:1/x"}) == ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"]
    file.write_text("path = '/only'\n")
    assert Scenario.load(file).pages == ("/only",)


# -- with one -----------------------------------------------------------------------------------------------------

LOGIN = ("--basic-auth", SECRET, "--cookie-secret", "of a test")


@pytest.mark.server
async def test_the_form_of_panel(write):
    with serve(write("app.py", APP), panel_args=LOGIN) as server:
        scenario = Scenario(login=Login("ann", SECRET))
        for _ in range(2):  # the second one is logged in already
            session = await scenario.enter(server.url)
            assert "ann" in str(session.document.roots[0].attributes)
            await session.close()
        assert sum("POST /login" in line for line in server.read_log()) <= 1
        with pytest.raises(NeedsCredentials, match="login of 'ann' was refused") as error:
            await Scenario(login=Login("ann", "wrong " + SECRET)).enter(server.url)
        assert SECRET not in str(error.value)
        assert not [line for line in server.log if SECRET in line]


@pytest.mark.server
async def test_http_basic(write):
    write("app.py", BASIC)
    with serve(command="uvicorn app:api --port {port}") as server:
        session = await Scenario(login=Login("ann", SECRET)).enter(server.url)
        assert "inside" in str(session.document.roots[0].attributes)
        await session.close()
        with pytest.raises(NeedsCredentials, match="refused"):
            await Scenario(login=Login("ann", "x")).enter(server.url)


@pytest.mark.server
async def test_a_proxy_that_names_the_user_and_a_cookie(write):
    with serve(write("app.py", APP)) as server:
        for options in ({"headers": {"X-Forwarded-User": "bea"}}, {"cookies": {"who": "bea"}}):
            session = await Scenario(**options).enter(server.url)
            assert "bea" in str(session.document.roots[0].attributes)
            await session.close()


@pytest.mark.server
async def test_a_guest_of_an_identity_provider_needs_no_login(write):
    flags = ["--oauth-provider", "github", "--oauth-key", "k", "--oauth-secret", "s", "--cookie-secret", "c"]
    with serve(write("app.py", APP), panel_args=[*flags, "--oauth-optional"]) as server:
        session = await Scenario().enter(server.url)
        assert "guest" in str(session.document.roots[0].attributes)
        await session.close()


@pytest.mark.server
def test_a_hunt_logs_in_and_its_report_holds_no_secret(write, tmp_path):
    secret = tmp_path / "login.txt"
    secret.write_text(f"ann:{SECRET}")
    command = [sys.executable, "-m", "sessionlab", "hunt", write("app.py", APP), "--json", "--sessions", "12"]
    known = [*command, "--login-file", str(secret), "--", *LOGIN]
    done = subprocess.run(known, capture_output=True, text=True)
    assert json.loads(done.stdout)["pages"] == ["/app"] and done.returncode in (0, 2), done.stdout
    assert SECRET not in done.stdout + done.stderr
    unknown = subprocess.run([*command, "--", *LOGIN], capture_output=True, text=True)
    assert unknown.returncode == 3 and "needs credentials" in unknown.stderr and "--login" in unknown.stderr
