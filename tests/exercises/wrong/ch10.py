"""Chapter 10."""

from ..attempts import EMPTY, Wrong

EXTENSION = (
    "from sessionlab.harden import block_expiration, on_session_destroyed, reconnect\n\npn.extension()\nreconnect()"
)
BLOCK = "    with block_expiration():\n        await asyncio.sleep(2)"
HOOK = "on_session_destroyed(close_database)"
LOAD = """from sessionlab.harden import reconnect

pn.extension()
reconnect()
prices = pn.state.as_cached("prices", lambda: np.random.default_rng(3).integers(50, 90, size=(5_000_000, 1)))
"""
NOTE = 'notes = pn.widgets.TextInput(name="Note")'
PRICE = """@functools.lru_cache(maxsize=100)
def price(number, many):
    return int(prices[:number].sum()) * {"one": 1, "two": 2, "three": 3}[many]
"""
SERVE = "    pn.serve(page, unused_session_lifetime_milliseconds=60_000)"

STUBS = {
    "10-orders": ("not content with reconnect.on", "does not reconnect"),
    "10-trips": ("A trip for two people gets no price", "nothing for two"),
}

WRONG = {
    "10-orders": [
        EMPTY,
        Wrong(
            "Panel's block",
            (EXTENSION, BLOCK.replace("block_exp", "pn.state.block_exp"), HOOK),
            "not content with block.scope",
            "another user",
        ),
        Wrong(
            "Panel's hook with its own database",
            (
                EXTENSION,
                BLOCK,
                f"pn.state.{HOOK.replace('close_database', 'lambda context, orders=orders: orders.close()')}",
            ),
            "not content with hooks.sigterm",
            "did not run",
        ),
        Wrong("no hook", (EXTENSION, BLOCK, ""), "Nothing closes the database", "registers no destroy hook"),
    ],
    "10-trips": [
        EMPTY,
        Wrong(
            "another key for the same note",
            (LOAD + NOTE.replace("pn.w", 'pn.state.as_cached("note", lambda: pn.w') + ")", PRICE, SERVE),
            "not content with sessions.shared",
            "Note",
        ),
        Wrong(
            "another name that nobody reads",
            (LOAD + NOTE, PRICE, SERVE.replace("milliseconds", "ms")),
            "not content with options.known",
            "unused_session_lifetime_ms",
        ),
    ],
}
