"""Training the plate reader: synthetic data, training, evaluation and export, one command each."""
