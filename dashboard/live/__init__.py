"""What moves: pictures with what was found in them, people on the floor, carts; each told to every browser once."""
