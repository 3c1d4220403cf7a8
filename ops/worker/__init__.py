"""What surrounds the engines of a worker process: start, checks, health, metrics, logs, traces, the end."""
