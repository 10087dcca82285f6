"""Display lists as PDF/A-3b files, put together front to back, and an inspector that reads such files back."""
