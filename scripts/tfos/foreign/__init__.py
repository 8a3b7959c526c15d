"""Stand-ins for packages of others. tfos.dropin makes them importable under their own names."""
