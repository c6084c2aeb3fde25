"""What relations share: each circuit asked all other relations, and what explains how much it keeps."""
