"""What the exporter reads: a module for each part, whose `read` yields its figures. None of them writes anything."""
