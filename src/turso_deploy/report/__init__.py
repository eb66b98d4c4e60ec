"""What people see: the terminal, the job summary, the runner's protocol."""
