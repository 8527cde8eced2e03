"""The HTTP service: thumbnails on request, at the same keys and bytes as the batch."""
