# panel serve 05_thread.py
"""A page that reads an instrument in a thread of its own. When its session ends, the thread has to end too."""

import threading

import panel as pn

pn.extension()

readings = pn.widgets.IntInput(name="Readings", value=0, disabled=True)
stop = threading.Event()


def read(readings, stop):
    while not stop.wait(0.1):
        readings.value += 1


# >>> solution
# The script's globals are gone when a hook runs; what is an argument is not.
def leave(session_context, stop=stop):
    stop.set()


# >>> stub
# def leave(session_context):
#     stop.set()  # your turn: look at what the server's log says about this hook
#
#
# <<<
pn.state.on_session_destroyed(leave)
threading.Thread(target=read, args=(readings, stop), daemon=True).start()
readings.servable()
