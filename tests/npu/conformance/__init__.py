"""Small .tflite graphs, their streams for Ethos-U, and what TFLM's reference kernels make of them.

catalogue.py   the graphs, each from a seed of its own
oracle.py      tflite-micro, the reference
compile.py     Vela 5.2.0, both code generators
emulate.py     a stream and its memory on the emulator
compare.py     a graph on an accelerator against the reference
goldens.py     streams and vectors as stored in the repository
"""
