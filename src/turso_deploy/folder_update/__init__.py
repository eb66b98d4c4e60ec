"""The use case `pull --update`: what others changed in a database, taken into the files of its schema folder."""
