"""Heard audio to words with log-probabilities: Whisper on ctranslate2. It knows spans of audio, no sessions."""
