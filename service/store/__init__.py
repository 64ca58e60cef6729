"""What outlives a process: jobs and their events in a database, blobs in a file system."""
