"""Sentences as numbers: frozen encoders, known by name and hash, and what they said of many texts at once."""
