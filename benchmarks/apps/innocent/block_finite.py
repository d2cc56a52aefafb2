"""Protects itself from expiring while it works, and lets go, for itself only."""

import asyncio

import panel as pn

session_context = pn.state.curdoc.session_context


async def work(session_context=session_context, asyncio=asyncio):
    session = session_context.session
    session.block_expiration()
    try:
        await asyncio.sleep(0.4)
    finally:
        session.unblock_expiration()


pn.state.onload(work)
pn.Column("busy for a moment").servable()
