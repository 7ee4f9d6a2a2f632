"""Tables: what columns hold, how rows become tensors and back, and what is asked of them."""
