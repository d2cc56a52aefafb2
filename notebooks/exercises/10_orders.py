# panel serve 10_orders.py
"""The orders of a small shop: every visitor gets a copy to play with, and a report that takes a while."""

import asyncio
import sqlite3

import panel as pn

pn.extension(notifications=True)  # your turn: here and below, until the audit is green

orders = sqlite3.connect(":memory:", check_same_thread=False)
orders.execute("CREATE TABLE orders (customer TEXT, amount INTEGER)")
orders.executemany("INSERT INTO orders VALUES (?, ?)", [("Ada", 120), ("Ben", 80), ("Ada", 40), ("Cleo", 200)])

customer = pn.widgets.Select(name="Customer", options=["Ada", "Ben", "Cleo"])
result = pn.pane.Markdown("No report yet.")


async def report(event):
    with pn.state.block_expiration():
        await asyncio.sleep(2)  # a long computation
    (total,) = orders.execute("SELECT sum(amount) FROM orders WHERE customer = ?", [customer.value]).fetchone()
    result.object = f"**{customer.value}** has ordered for {total}."


def close_database(context):
    orders.close()


pn.state.on_session_destroyed(close_database)
pn.Column(customer, pn.widgets.Button(name="Report", on_click=report), result).servable()
