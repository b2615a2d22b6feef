"""The demonstration: scenarios, what each expects, and how they are shown."""
