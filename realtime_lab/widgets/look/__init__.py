"""What came of a sweep: settings, turns, one session seen, heard and read."""
