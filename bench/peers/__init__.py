"""Other people's tools doing the same work, so that every figure of ours stands beside one from the same run."""
