"""From recorded sessions back to a server: a profile fitted to them, and what other settings would have done."""
