"""What runs jobs: processes of this machine, or a Ray cluster."""
