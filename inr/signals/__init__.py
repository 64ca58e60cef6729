"""Reading and writing signals: one file a kind or a file format."""
