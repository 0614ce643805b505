"""What is said and what is swept, as controls: scripts, their sound, axes, targets and caps."""
