"""One pure loss function a file, its equation in the first line."""
