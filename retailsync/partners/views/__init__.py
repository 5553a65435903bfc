"""The partner API's views, a file per subject. Thin: check the shape, store the words, answer."""
