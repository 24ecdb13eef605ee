"""Files of any program: walks folders, and recognizes kinds of files by their first bytes."""
