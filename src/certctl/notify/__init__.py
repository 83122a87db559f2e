"""The channels that events go to: webhooks, Slack and its like, mail (records §7)."""
