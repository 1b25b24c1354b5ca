"""From a trained streaming RNN-T to full-integer TFLite graphs and an .edge bundle."""
