"""Videos: files through FFmpeg, and folders of frames."""
