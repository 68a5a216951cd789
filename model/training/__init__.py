"""Float training, apart from the golden model: recipes, layers, augmentation, the run."""
