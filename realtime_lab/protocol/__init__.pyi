# The public names, each with where it lives: the one list, read when the package is imported.
from .codec import decode_client as decode_client
from .codec import decode_server as decode_server
from .codec import encode as encode
from .codec import event_to_builtins as event_to_builtins
from .events import AnyEvent as AnyEvent
from .events import ClientEvent as ClientEvent
from .events import Event as Event
from .events import ServerEvent as ServerEvent
from .events import UnknownEvent as UnknownEvent
from .events import event_type as event_type
from .items import AudioRef as AudioRef
from .order import check_order as check_order
