"""The readings of a sensor: a curve, smoothed as the slider says."""

import numpy as np
import panel as pn
from bokeh.plotting import figure

pn.extension(reconnect=True)

times = np.linspace(0, 10, 200)
noise = np.random.default_rng(1).normal(size=200)
width = pn.widgets.IntSlider(name="Width", start=1, end=50, value=5)
plot = figure(width=500, height=250)


@pn.cache
def smooth(width):
    return np.convolve(np.sin(times) + noise, np.ones(width) / width, mode="same")


def draw(event):
    line.data_source.data = {"x": times, "y": smooth(width.value)}


def busy(working):
    return "The server is working." if working else "The server has time."


async def switch_sensor_off(context):
    print("sensor off", flush=True)


line = plot.line(times, smooth(width.value))
width.param.watch(draw, "value")
pn.state.on_session_destroyed(switch_sensor_off)
pn.Column(width, plot, pn.bind(busy, pn.state.param.busy)).servable()
