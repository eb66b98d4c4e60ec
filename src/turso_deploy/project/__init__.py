"""The schema folder: SQL files, directives, scripts and the manifest, loaded and checked without a request."""
