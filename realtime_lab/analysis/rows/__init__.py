"""One recording to rows: what was asked, the facts, who took which turn, and the rows of the frames."""
