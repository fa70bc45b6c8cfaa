"""Virtual scanners: anatomy, the physics of a site's sequence, and the image that it would make."""
