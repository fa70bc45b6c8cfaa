"""How the shipped models are made: simulation, training, evaluation. Imports inference, never the reverse."""
