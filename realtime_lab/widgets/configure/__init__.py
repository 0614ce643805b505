"""What a session is asked to be, as controls; and what a server made of it."""
