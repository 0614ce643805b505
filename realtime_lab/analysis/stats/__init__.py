"""Statistics on plain arrays: intervals, groups, resamples, corrections. Nothing here knows what a turn is."""
