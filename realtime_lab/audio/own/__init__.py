"""People's own recordings as scripts: where somebody speaks, which pauses are holds, labels and texts."""
