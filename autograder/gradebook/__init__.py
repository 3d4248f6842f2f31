"""What becomes of results: reports for people and files for other systems."""
