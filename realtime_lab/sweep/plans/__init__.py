"""What a sweep is asked to do, and what that will take: settings, trials, plan files, estimates. Nothing runs here."""
