"""Music, from the request to the clips."""
