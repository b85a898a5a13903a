"""What runs in a process of its own, so that nothing can happen to the notebook's: no other part of vlab is used."""
