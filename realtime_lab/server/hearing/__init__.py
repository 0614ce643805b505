"""Where a server hears speech: the endpointing rule, the semantic wait, and the audio that was heard. No events."""
