"""What our own compression shares (RFC 1951): prefix codes, and pieces that are compressed once and used many times."""
