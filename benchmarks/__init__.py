"""Side by side with what a user would use instead: each benchmark runs all contenders on the same data in one run."""
