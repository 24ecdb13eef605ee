"""Files of any program: walks folders, opens files, recognizes their kinds by first bytes."""
