"""Cycles of objects with a __del__, which take the collector more than one pass."""

import panel as pn


class Node:
    def __init__(self):
        self.me = self
        self.data = list(range(1000))

    def __del__(self):
        self.data = None


nodes = [Node() for _ in range(20)]
for before, after in zip(nodes, nodes[1:], strict=False):
    after.other = before
pn.Column("cycles").servable()
