"""`inr bench codec`: files of the coder `latent` beside those of other codecs, at several rates.

Every size is that of a whole file on the disk, and every quality that of the picture decoded from it.
"""
