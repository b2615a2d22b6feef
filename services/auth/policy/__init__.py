"""The decisions of auth, free of input and output: each module takes frozen values and gives back a value."""
