"""The leak hunter: is it a leak, how big, who holds it.

    from sessionlab import hunt

    result = hunt("app.py")
    print(result.verdict, result.culprits)

What of it runs in the served process is in `sessionlab.agent`.
"""

from sessionlab.leaks.hunter import hunt
from sessionlab.leaks.result import Batch, Culprit, HuntResult

__all__ = ["Batch", "Culprit", "HuntResult", "hunt"]
