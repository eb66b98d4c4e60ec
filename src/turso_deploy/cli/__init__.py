"""The command line and the Action: settings, credentials, commands, output, exit status."""
