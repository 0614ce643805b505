"""What client and server exchange: events, their codec, and the order they come in. No sockets, no clock."""

from __future__ import annotations

from realtime_lab.protocol.codec import decode_client, decode_server, encode, event_to_builtins
from realtime_lab.protocol.events import AnyEvent, ClientEvent, Event, ServerEvent, UnknownEvent, event_type
from realtime_lab.protocol.items import AudioRef
from realtime_lab.protocol.order import check_order

__all__ = [
    "AnyEvent",
    "AudioRef",
    "ClientEvent",
    "Event",
    "ServerEvent",
    "UnknownEvent",
    "check_order",
    "decode_client",
    "decode_server",
    "encode",
    "event_to_builtins",
    "event_type",
]
