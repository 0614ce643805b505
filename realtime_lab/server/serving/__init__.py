"""The engine behind a socket on this machine: WebSocket, REST, the command, and the conformance table."""
