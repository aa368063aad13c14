"""What carries a task from queued to its end: one step at a time, decided by its row."""
