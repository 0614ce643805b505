"""Many sessions: plan them, run them over worker processes into one study file, read it back as frames.

Its rooms, each using only those before it: `plans` says what is run, `workers` hold the sessions, `store` is the study
file, `studies` reads it and says which setting to take, `running` brings the four together and goes on where an
interrupted run stopped. On top stand `stages` (screen, then confirm), `optimizing` (Optuna) and `fitting` (from
recordings back to a server). Names are looked up when first used, so that worker processes import neither pandas nor
pyarrow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
