"""Put in place by import: the modules of a script are emptied after the session-destroyed hooks."""

from bokeh.server.contexts import ApplicationContext

discard = ApplicationContext._discard_session


async def _discard_session(self, session, should_discard):
    """Discard a session: its document first, then its hooks, and last the modules that the hooks belong to."""
    modules = session.document.modules
    # Bokeh and Panel have different ways to empty what is on this list, both inside Document.destroy().
    script, modules._modules = modules._modules, []
    try:
        await discard(self, session, should_discard)
    finally:
        modules._modules = script
        if session.destroyed:
            modules.destroy()


ApplicationContext._discard_session = _discard_session
