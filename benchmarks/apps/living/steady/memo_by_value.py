"""Results by the value of a slider: two positions, two results."""

import panel as pn

known = {}
speed = pn.widgets.IntSlider(name="Speed", end=1000)


def result(value):
    if value not in known:
        known[value] = [value] * 500
    return f"{known[value][0]}"


pn.Column(speed, pn.bind(result, speed)).servable()
