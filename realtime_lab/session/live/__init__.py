"""A session with a service over a socket: keys, the wire, pacing, faults, and what the service reported."""
