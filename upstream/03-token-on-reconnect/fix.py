"""Put in place by import: the age of a token decides whether it may make a session, not whether it may come back."""

from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.views.ws import WSHandler
from bokeh.util.token import check_token_signature, generate_jwt_token, get_session_id, get_token_payload

open_ = WSHandler.open


def open(self):
    """Open a websocket; the token of a session that is alive is renewed first, whatever its age."""
    self._token = renewed(self, self._token)
    return open_(self)


def renewed(handler, token):
    """``token`` itself, or a young one that says the same, if its session is alive and its signature is right."""
    server = handler.application
    keys = dict(secret_key=server.secret_key, signed=server.sign_sessions)
    if token is None or not check_token_signature(token, **keys):
        return token
    session_id = get_session_id(token)
    try:
        handler.application_context.get_session(session_id)
    except ProtocolError:  # no such session
        return token
    payload = get_token_payload(token)
    payload.pop("session_expiry", None)
    return generate_jwt_token(session_id, expiration=server.session_token_expiration, extra_payload=payload, **keys)


WSHandler.open = open
