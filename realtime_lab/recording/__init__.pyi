# The public names, each with where it lives: the one list, read when the package is imported.
from .events import AppendRun as AppendRun
from .events import Header as Header
from .events import RecordedEvent as RecordedEvent
from .events import Recording as Recording
from .events import ReferenceTurn as ReferenceTurn
from .files import load_recording as load_recording
from .files import recording_from_bytes as recording_from_bytes
from .files import recording_to_bytes as recording_to_bytes
from .files import save_recording as save_recording
from .importing.log import import_recording as import_recording
