"""What a sweep left behind, as frames and answers: Study and what can be asked of one. Nothing is written here."""
