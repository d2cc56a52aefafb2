"""A hunt for what sessions leave; ``test_hunt_live.py`` looks at one that stays open."""

from __future__ import annotations

import functools

from sessionlab.leaks import hunt as _hunt

hunt = functools.partial(_hunt, live=False)
