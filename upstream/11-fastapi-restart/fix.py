"""Our replacement: sessions that a websocket makes are given a request, as those that a page makes are."""

from bokeh.server.contexts import ApplicationContext
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

stock = ApplicationContext.create_session_if_needed


def request_of(scope):
    headers = HTTPHeaders({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
    query = scope["query_string"].decode()
    line = RequestStartLine("GET", scope["path"] + (f"?{query}" if query else ""), "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=headers)
    request.route_params, request.app_path = scope.get("route_params"), scope.get("app_path")
    return request


async def create_session_if_needed(self, session_id, request=None, token=None):
    request = request_of(request) if isinstance(request, dict) else request
    return await stock(self, session_id, request, token)


ApplicationContext.create_session_if_needed = create_session_if_needed
