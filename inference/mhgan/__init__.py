"""The networks of the multi-harmonization GAN, and what they see of a head."""
