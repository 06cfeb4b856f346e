"""Where things are: floor, cameras, gates, shelves, slots and products. Data and geometry, no pixels, no money."""
