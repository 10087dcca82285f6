"""A video that is no reel."""

import subprocess


def write_bare(path):
    source = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "160x160", "-i", "pipe:0"]
    command = ["ffmpeg", "-v", "error", *source, "-c:v", "libx264", path]
    subprocess.run(command, input=bytes(160 * 160), check=True)
    return path
