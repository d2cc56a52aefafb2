"""A chat."""

import panel as pn

pn.extension()

pn.chat.ChatInterface(callback=lambda text, user, chat: f"You said {text}.").servable()
