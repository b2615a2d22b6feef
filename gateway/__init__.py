"""The gateway: composes the services into one chain of stages; holds no key and no business rule."""
