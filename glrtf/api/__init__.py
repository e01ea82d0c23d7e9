"""What ``import glrtf`` offers to programs; `glrtf` itself lists the names.

Functions import what they need when they are called; none loads TensorFlow unless it says so.
"""
