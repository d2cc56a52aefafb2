# python 03_options.py
"""A program that serves itself. Its author wanted a lifetime of 60 s, a look every 5 s, and tokens good for a day."""

import panel as pn


def app():
    pn.extension(reconnect=True)
    count = pn.widgets.IntInput(name="Count", value=0, disabled=True)
    add = pn.widgets.Button(name="Add one", on_click=lambda event: count.param.update(value=count.value + 1))
    return pn.Column(add, count)


pn.serve(
    app,
    address="127.0.0.1",
    port=0,
    show=False,
    unused_session_lifetime=60_000,  # your turn: there is no error, and none of the three has any effect
    check_unused_session=5_000,
    session_token_expiry=86_400,
)
