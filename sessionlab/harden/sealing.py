"""Values are signed always, and encrypted where there is a key: nobody else can make them, change them or read them.

The key is ``SESSIONLAB_KEY``, or ``BOKEH_SECRET_KEY``; all processes must share it. Two keys with a comma between them
are the new one and the one before: the first seals, both open. Without any, a key in a file of this user signs, and
nothing is encrypted.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import logging
import os
import secrets

from bokeh.settings import settings

from .stores import default_folder

try:
    from cryptography import fernet
except ImportError:
    fernet = None  # type: ignore[assignment]

log = logging.getLogger("sessionlab.harden")

VARIABLE = "SESSIONLAB_KEY"
PLAIN, ENCRYPTED = b"p", b"e"  # the first byte of what is signed


def encrypts() -> bool:
    """Whether nobody can read what is sealed: there is a key, and cryptography is installed."""
    return fernet is not None and bool(_given())


def seal(value: bytes, place: str) -> bytes:
    """``value`` in a form that only `unseal` reads, and only with the same ``place``: it cannot be moved elsewhere."""
    key = _keys()[0]
    body = ENCRYPTED + fernet.Fernet(_of_fernet(key)).encrypt(value) if encrypts() else PLAIN + value
    return _signature(key, place, body) + body


def unseal(sealed: bytes, place: str) -> bytes | None:
    """What was sealed for this ``place``; None if it was not, or not by one of these keys."""
    signature, body = sealed[:32], sealed[32:]
    for key in _keys():
        if hmac.compare_digest(signature, _signature(key, place, body)):
            if body[:1] == PLAIN:
                return body[1:]
            return None if fernet is None else fernet.Fernet(_of_fernet(key)).decrypt(body[1:])
    return None


def _given() -> list[str]:
    text = os.environ.get(VARIABLE) or settings.secret_key() or ""
    return [key.strip() for key in text.split(",") if key.strip()]


def _keys() -> list[bytes]:
    return [_derived(key.encode()) for key in _given()] or [_derived(_of_this_user())]


@functools.cache
def _of_this_user() -> bytes:
    """A key out of a file that only this user may read, which is made if it is not there."""
    file = default_folder() / "key"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
                made.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        if len(key := file.read_bytes()) >= 32:
            return key
        why: object = "it is too short"
    except OSError as error:
        why = error
    log.warning(
        "persist: no key in %s (%s): what is kept now is lost when this process ends; set %s", file, why, VARIABLE
    )
    return secrets.token_bytes(32)


@functools.cache
def _derived(secret: bytes) -> bytes:
    # a key of its own, so that nothing of ours is ever good for a session token, nor the other way round
    return hmac.digest(secret, b"sessionlab persist", hashlib.sha256)


def _of_fernet(key: bytes) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(key, b"encrypt", hashlib.sha256))


def _signature(key: bytes, place: str, body: bytes) -> bytes:
    return hmac.digest(hmac.digest(key, b"sign", hashlib.sha256), place.encode() + b"\0" + body, hashlib.sha256)
