"""How fast this package is on this machine, against stated targets: measured, printed, saved and compared.

One module per bench, named in `BENCHES`; each has a function `measure(quick)` that returns its figures. Rates per core
are taken from CPU time, so that a busy machine changes them little; everything else is wall time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
