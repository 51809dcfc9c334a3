"""The process that keeps what is served equal to what is wanted."""
