"""The page of a report: one HTML file that loads nothing, with a table to sort and to search."""
