"""The envelope (信封) of a message: who sealed it, until when it holds, and that nothing in it was changed."""
