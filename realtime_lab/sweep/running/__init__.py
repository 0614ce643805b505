"""Running a plan: what is asked for, batches out to workers and results into the store, within caps, under way."""
