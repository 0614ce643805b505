"""The objects a session is made of, their base, and what one field accepts."""
