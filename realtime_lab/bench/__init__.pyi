# The public names, each with where it lives: the one list, read when the package is imported.
from .running import BENCHES as BENCHES
from .running import compare_results as compare_results
from .running import load_results as load_results
from .running import run_benches as run_benches
from .running import save_results as save_results
from .values import Figure as Figure
from .values import Results as Results
