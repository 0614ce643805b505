"""Rows to one line per setting: its columns, how each is counted, resampled and worded."""
