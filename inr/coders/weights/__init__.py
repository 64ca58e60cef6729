"""The coder `weights`: a coordinate network is trained, and its weights are quantised and coded."""
