"""A cache with a bound, and questions that never come again."""

import functools
import itertools

import panel as pn

numbers = itertools.count()
shown = pn.pane.Markdown("")


@functools.lru_cache(maxsize=16)
def answer(number):
    return [number] * 300


def ask(event):
    shown.object = str(answer(next(numbers))[0])


pn.Column(pn.widgets.Button(name="Ask", on_click=ask), shown).servable()
