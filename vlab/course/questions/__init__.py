"""The questions of the exercises: one file a lesson. Nothing here says what is right."""
