"""What an EST request goes through: authenticate, read, bind, authorize, issue."""
