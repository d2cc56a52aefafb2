"""A script that keeps its own module object, and nothing else."""

import sys

import panel as pn

pn.extension()

here = sys.modules[__name__]

pn.Column("A module that knows itself").servable()
