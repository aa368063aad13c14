"""Files: taken in, looked at, kept, served and removed."""
