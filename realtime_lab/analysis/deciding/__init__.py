"""Which setting to take, and what is kept of that: limits, comparisons, stability, requirements, sample sizes."""
