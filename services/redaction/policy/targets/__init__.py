"""Where in a text the reading stands: in what is shown, or in what a link, an image or an attribute points to."""
