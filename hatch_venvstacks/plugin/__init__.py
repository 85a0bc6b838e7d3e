"""What Hatch sees: the build target ``venvlayer``; the only room that imports hatchling."""
