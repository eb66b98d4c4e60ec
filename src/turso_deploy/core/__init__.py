"""The values and services that every package uses: errors, validation, YAML, secrets, progress, signals."""
