"""What happened: the event schema, readers and validation."""
