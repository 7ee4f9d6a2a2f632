"""Time series: how they are read, what a model keeps of them, and how they come back."""
