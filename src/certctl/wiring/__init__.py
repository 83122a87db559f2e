"""Start-up: settings become running processes. Alone knows the concrete classes."""
