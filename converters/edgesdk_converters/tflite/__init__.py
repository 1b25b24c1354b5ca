"""Reading and writing standard .tflite files without TensorFlow."""
