"""What is done with whole computers: farms, migrations, failovers."""
