"""Where trials are worked off: worker processes, and what one of them does with one trial. No pandas, no store."""
