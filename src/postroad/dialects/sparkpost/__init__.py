"""What clients of SparkPost send and receive."""
