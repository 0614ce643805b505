"""What a setting does to a metric: its dose-response, its own effect, and what two do together."""
