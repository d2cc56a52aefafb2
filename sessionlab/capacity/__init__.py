"""How many sessions a process and a gigabyte hold, and what follows for lifetime, caps and memory limit.

from sessionlab import load

result = load("app.py", visitors=100)
print(result)
"""

from sessionlab.capacity.advice import Wanted
from sessionlab.capacity.measure import load
from sessionlab.capacity.result import Load, Step

__all__ = ["Load", "Step", "Wanted", "load"]
