"""The coder `latent`: a pyramid of integer grids, a context model that predicts them and a synthesis that shows them.

Source: Ladune, Philippe, Henry, Clare, Leguay 2023, "COOL-CHIC: Coordinate-based Low Complexity Hierarchical Image
Codec"; Kim et al. 2024, "C3: High-performance and low-complexity neural compression from a single image or video".
"""
