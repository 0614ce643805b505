"""Fakes for tests of Realtime clients, public and documented: a server with scripted faults, and a TCP proxy.

```python
with held(FaultServer([Fault("close", "during", code=1011)])) as server:      # ends the session mid-response
    with held(TcpProxy(server.port)) as proxy:
        recording = run_session(config, script, live(proxy.url, api_key_env=None))
```
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
