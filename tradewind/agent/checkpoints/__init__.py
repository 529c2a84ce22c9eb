"""Checkpoints: complete entries of a job's directory are copied to a store outside the instance, and back before the job runs again."""
