"""A scoring server for one bundle: the Open Inference Protocol v2 over HTTP and JSON."""
