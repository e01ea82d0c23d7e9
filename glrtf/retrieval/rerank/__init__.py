"""Steps that change rows or rankings: augmentation, re-ranking, whitening, label votes."""
