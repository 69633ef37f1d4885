"""What the departments share."""
