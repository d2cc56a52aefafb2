"""The audit: the production checklist, executed on an application instead of ticked.

    from sessionlab import audit

    result = audit("app.py", panel_args=["--num-procs", "2"])
    print(result)
    assert result.green

`rules.py` is the catalogue of the checks; each group of them has a module. What of it runs in the served process is in
`sessionlab.agent`.
"""

from sessionlab.checks.result import AuditResult, Check
from sessionlab.checks.rules import RULES
from sessionlab.checks.run import audit

__all__ = ["RULES", "AuditResult", "Check", "audit"]
