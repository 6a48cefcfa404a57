"""The rooms: what a stack is and how it is reached."""
