"""The API that clients of SparkPost call."""
