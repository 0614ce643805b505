"""Fakes for tests of Realtime clients, public and documented: a server with scripted faults, and a TCP proxy.

```python
with held(FaultServer([Fault("close", "during", code=1011)])) as server:      # ends the session mid-response
    with held(TcpProxy(server.port)) as proxy:
        recording = run_session(config, script, live(proxy.url, api_key_env=None))
```
"""

from __future__ import annotations

from realtime_lab.testing.faults import FAULT_KINDS, MOMENTS, Fault, FaultServer
from realtime_lab.testing.holding import held
from realtime_lab.testing.proxy import TcpProxy

__all__ = ["FAULT_KINDS", "MOMENTS", "Fault", "FaultServer", "TcpProxy", "held"]
