"""Page reels: many pages as frames of one H.264 or HEVC file, made by FFmpeg, with an index for random access."""
