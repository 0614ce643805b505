"""Realtime event logs of other clients, read as recordings. Everything in them is hostile until checked."""
