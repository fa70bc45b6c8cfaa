"""What training asks for."""
