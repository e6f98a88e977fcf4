"""What an operator can do: a file per verb, plan() then apply(), returning values and printing nothing."""
