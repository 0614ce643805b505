"""The study file: its tables, its one writer, its readers, its lock; copies to share, and salvage of a damaged one."""
