"""The engines that run instructions: one meaning, from the one table, several ways to execute it."""
