"""A sweep under way: started, watched, stopped, gone on with."""
