"""How many sessions a process and a gigabyte hold, and what follows for lifetime, caps and memory limit.

from sessionlab.load import load

result = load("app.py", visitors=100)
print(result)
"""

from sessionlab.load.advice import Wanted
from sessionlab.load.measure import load
from sessionlab.load.result import Load, Step

__all__ = ["Load", "Step", "Wanted", "load"]
