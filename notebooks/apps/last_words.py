"""Seven hooks for the end of a session: one waits, one fails. `?way=hardened` registers them with `harden`."""

import asyncio

import panel as pn

from sessionlab.harden import on_session_destroyed

pn.extension()

way = pn.state.session_args.get("way", [b"nobody"])[0].decode()
register = on_session_destroyed if way == "hardened" else pn.state.on_session_destroyed


def last_word(word, way=way):
    """A hook; it keeps what it needs, for the script's globals are gone when a stock hook runs."""

    def hook(context):
        print("last word", context.id, way, word, flush=True)

    return hook


second = last_word("second")


async def waits(context, sleep=asyncio.sleep, say=second):
    await sleep(0.01)
    say(context)


def fails(context):
    raise ConnectionError("the database is gone")


for hook in (last_word("first"), waits, fails, *map(last_word, ("third", "fourth", "fifth", "sixth"))):
    register(hook)

pn.widgets.Button(name="Button").servable()
