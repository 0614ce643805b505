"""Words and tokens: aligned with what was said, and how far their log-probabilities can be trusted."""
