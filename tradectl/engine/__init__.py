"""The bot: start-up is recovery, then one cycle after another until it is told to stop."""
