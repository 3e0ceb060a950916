"""The house itself: few loose modules, every one tested somewhere, one meaning for each class's name."""
