"""The kit of the exercises, and the checks of each chapter."""
