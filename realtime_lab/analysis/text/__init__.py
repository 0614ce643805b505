"""Texts to be compared: which spellings are one word, and the fewest edits from one text to another. Strings only."""
