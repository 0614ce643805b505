# The public names, each with where it lives: the one list, read when the package is imported.
from .faults import FAULT_KINDS as FAULT_KINDS
from .faults import MOMENTS as MOMENTS
from .faults import Fault as Fault
from .faults import FaultServer as FaultServer
from .faults import held as held
from .proxy import TcpProxy as TcpProxy
