"""The networks that are pruned, as the papers print them, and anybody's own."""
