"""The channels by which people are told: mail, Slack, SMS, webhook."""
