"""Reports failures of Python services to Self-Healing Workflows.

`configure` once, then `with report("orders.sync", run=...)` around a step, or `@report(...)` on its function. What
fails in it is published as a CloudEvent without secrets, with the call that failed, so that it can be healed. The
exception goes on unchanged. Nothing of this raises into the caller, waits for a broker, or grows without bound.
"""

from shw_report.publishing import Counts, configure, counts, flush
from shw_report.scope import report, watch

__all__ = ["Counts", "configure", "counts", "flush", "report", "watch"]
