# The public names, each with where it lives: the one list, read when the package is imported.
from .listening import Listening as Listening
from .listening import listen as listen
from .page import report as report
