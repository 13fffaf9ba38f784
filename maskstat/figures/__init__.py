"""Figures: one file each, from result tables to a matplotlib Figure; nothing is shown or saved."""
