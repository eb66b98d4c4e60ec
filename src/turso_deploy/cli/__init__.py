"""Command line and GitHub Action: settings, credentials, commands, output, exit status."""
