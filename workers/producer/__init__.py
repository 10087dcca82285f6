"""Publishing single jobs by the thousand a second: written down and pushed in batches, each outcome told."""
