# panel serve 04_late.py
"""A calculation of 40 s that is fetched an hour later, on another machine.

/04_late?ticket=blue is the page of ticket blue. Do not keep the session that began the work: the result is enough.
"""

import asyncio

import panel as pn

pn.extension()

ticket = pn.state.session_args.get("ticket", [b"none"])[0].decode()
# >>> solution
results = pn.state.cache.setdefault("results", {})  # by ticket, for all sessions
# >>> stub
# results = {}  # your turn: where can a later session find it?
# <<<

number = pn.widgets.IntInput(name="Number", value=2)
result = pn.widgets.IntInput(name="Result", value=results.get(ticket, 0), disabled=True)


# >>> solution
# When the session is destroyed, the script's module is emptied: after the sleep only arguments are still there.
async def run(event, ticket=ticket, results=results, number=number, result=result):
    await asyncio.sleep(40)
    results[ticket] = result.value = number.value**2
    while len(results) > 1000:  # nobody fetches every result
        results.pop(next(iter(results)))


# >>> stub
# async def run(event):
#     await asyncio.sleep(40)
#     result.value = number.value**2  # your turn: what is `result` when the session has gone?
#     results[ticket] = result.value
#
#
# <<<
pn.Column(number, pn.widgets.Button(name="Run", on_click=run), result).servable()
