"""The compiled kernels: a tile of samples goes through the whole network and back while it lies in the cache.

Evaluation, and training with Adam or AdamW, need no torch.
"""
