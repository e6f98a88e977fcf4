"""The face an operator types at: the command table, rendering, confirmation, and the one place that catches."""
