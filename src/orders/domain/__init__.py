"""What an order is and what follows from its facts. Pure, standard library only."""
