"""From labelled rows to a bundle: fit, calibrate, export to ONNX, compare, assemble."""
