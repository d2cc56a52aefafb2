"""An application that is served in this process, without a port: as tests of ``harden`` do without a server."""

from __future__ import annotations

from bokeh.server.contexts import ApplicationContext
from bokeh.util.token import generate_jwt_token
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

REQUEST = HTTPServerRequest(
    start_line=RequestStartLine("GET", "/app", "HTTP/1.1"), headers=HTTPHeaders({"Host": "127.0.0.1"})
)
TOKEN = generate_jwt_token("any")


class InProcess(ApplicationContext):
    """Sessions without a visitor; each is given a request as that of a page, which Panel 1.8 looks at."""

    def __init__(self, application, **options):
        super().__init__(application, **{"url": "/app", **options})

    async def create_session_if_needed(self, session_id, request=REQUEST, token=TOKEN):
        return await super().create_session_if_needed(session_id, request, token)
