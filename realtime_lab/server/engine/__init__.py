"""One session of the server as a state machine: client events and audio in, due server events out. Does no I/O."""
